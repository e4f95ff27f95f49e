#include "vmm/multiboot/image.hpp"

#include <elf.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

namespace faultline::vmm::multiboot {

namespace {

using File = std::span<const std::byte>;

// Multiboot Specification, "The layout of Multiboot header".
struct Header {
  std::uint32_t magic, flags, checksum;
  std::uint32_t header_address, load_address, load_end_address, bss_end_address, entry_address;
};
constexpr std::uint32_t kMagic = 0x1bad'b002;
constexpr std::size_t kSearched = 8192, kMandatoryBytes = 12;
constexpr std::uint32_t kPageAligned = 1U << 0, kMemoryInfo = 1U << 1;  // both are given to everybody
constexpr std::uint32_t kRequirements = 0xffff;                         // flags that must not be ignored
constexpr std::uint32_t kAddressesValid = 1U << 16;

struct Found {
  Header header{};
  std::size_t offset = 0;
};

std::optional<Found> find_header(File file) {
  const std::size_t searched = std::min(file.size(), kSearched);
  for (std::size_t at = 0; at + kMandatoryBytes <= searched; at += 4) {
    Found found{.offset = at};
    std::memcpy(&found.header, file.data() + at, std::min(sizeof(Header), file.size() - at));
    if (found.header.magic != kMagic) continue;
    if (found.header.magic + found.header.flags + found.header.checksum == 0) return found;
  }
  return std::nullopt;
}

// A load address range of the header, in place of an ELF file's.
Result<Image> from_addresses(File file, const Found& found) {
  const Header& h = found.header;
  if (file.size() - found.offset < sizeof(Header)) return fail("the multiboot header is cut short");
  if (h.header_address < h.load_address || h.header_address - h.load_address > found.offset)
    return fail("the multiboot header's load address lies before the beginning of the file");
  const std::size_t start = found.offset - (h.header_address - h.load_address);
  const std::size_t available = file.size() - start;
  std::uint64_t bytes = available;
  if (h.load_end_address != 0) {
    if (h.load_end_address < h.load_address || h.load_end_address - h.load_address > available)
      return fail("the multiboot header's load end address lies outside the file");
    bytes = h.load_end_address - h.load_address;
  }
  std::uint64_t memory = bytes;
  if (h.bss_end_address != 0) {
    if (h.bss_end_address < h.load_address + bytes)
      return fail("the multiboot header's bss end address lies before the end of the data");
    memory = h.bss_end_address - h.load_address;
  }
  Image image;
  image.entry = h.entry_address;
  image.segments = {{Gpa(h.load_address), file.subspan(start, bytes), memory}};
  return image;
}

Result<Elf32_Ehdr> elf_header(File file) {
  Elf32_Ehdr elf{};
  if (file.size() < sizeof elf || std::memcmp(file.data(), ELFMAG, SELFMAG) != 0)
    return fail("neither an ELF file nor a multiboot header that says where to load it");
  std::memcpy(&elf, file.data(), sizeof elf);
  if (elf.e_ident[EI_CLASS] != ELFCLASS32 || elf.e_ident[EI_DATA] != ELFDATA2LSB || elf.e_machine != EM_386)
    return fail("not a 32-bit ELF file for x86, which multiboot asks for (objcopy -O elf32-i386 makes one)");
  if (elf.e_type != ET_EXEC) return fail("not an ELF file at a fixed address (ET_EXEC)");
  if (elf.e_phentsize != sizeof(Elf32_Phdr)) return fail("ELF program headers of a wrong size");
  const std::uint64_t end = std::uint64_t{elf.e_phoff} + std::uint64_t{elf.e_phnum} * sizeof(Elf32_Phdr);
  if (end > file.size()) return fail("the ELF program headers lie outside the file");
  return elf;
}

Result<Image> from_elf(File file) {
  const auto elf = elf_header(file);
  if (!elf) return tl::unexpected(elf.error());
  Image image;
  image.entry = elf->e_entry;
  for (unsigned i = 0; i < elf->e_phnum; ++i) {
    Elf32_Phdr segment{};
    std::memcpy(&segment, file.data() + elf->e_phoff + i * sizeof segment, sizeof segment);
    if (segment.p_type != PT_LOAD || segment.p_memsz == 0) continue;
    if (segment.p_filesz > segment.p_memsz) return fail(fmt::format("ELF segment {} has more bytes than memory", i));
    if (std::uint64_t{segment.p_offset} + segment.p_filesz > file.size())
      return fail(fmt::format("ELF segment {} lies outside the file", i));
    // The entry is a virtual address; paging is off when the kernel begins.
    if (elf->e_entry >= segment.p_vaddr && elf->e_entry - segment.p_vaddr < segment.p_memsz)
      image.entry = elf->e_entry - segment.p_vaddr + segment.p_paddr;
    image.segments.push_back({Gpa(segment.p_paddr), file.subspan(segment.p_offset, segment.p_filesz), segment.p_memsz});
  }
  if (image.segments.empty()) return fail("an ELF file with nothing to load");
  return image;
}

std::uint64_t end_of(const Segment& s) { return s.address.raw() + s.memory_bytes; }

// What must be true of any image, wherever it was described.
Result<Image> checked(Image image, std::uint64_t ram_bytes) {
  auto& segments = image.segments;
  std::ranges::sort(segments, {}, [](const Segment& s) { return s.address.raw(); });
  for (std::size_t i = 0; i < segments.size(); ++i) {
    if (end_of(segments[i]) > ram_bytes) {
      return fail(fmt::format("{} bytes at {:#x} do not fit into {} MiB of guest memory: raise --memory",
                              segments[i].memory_bytes, segments[i].address.raw(), ram_bytes >> 20));
    }
    if (i > 0 && end_of(segments[i - 1]) > segments[i].address.raw()) return fail("segments overlap");
  }
  const bool inside = std::ranges::any_of(
      segments, [&image](const Segment& s) { return image.entry >= s.address.raw() && image.entry < end_of(s); });
  if (!inside) return fail(fmt::format("the entry point {:#x} lies outside what is loaded", image.entry));
  image.end = Gpa((end_of(segments.back()) + kPageSize - 1) / kPageSize * kPageSize);
  return image;
}

}  // namespace

Result<Image> parse_image(File file, std::uint64_t ram_bytes) {
  const auto found = find_header(file);
  if (!found) return fail("no multiboot header in its first 8192 bytes");
  const std::uint32_t unknown = found->header.flags & kRequirements & ~(kPageAligned | kMemoryInfo);
  if (unknown != 0) {
    return fail(fmt::format("the multiboot header requires what is not offered: flags {:#x}{}", unknown,
                            (unknown & 4) != 0 ? " (a video mode)" : ""));
  }
  auto image = (found->header.flags & kAddressesValid) != 0 ? from_addresses(file, *found) : from_elf(file);
  if (!image) return image;
  return checked(std::move(*image), ram_bytes);
}

}  // namespace faultline::vmm::multiboot
