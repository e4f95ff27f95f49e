#include "vmm/kernel/image.hpp"

#include <elf.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <string_view>

#include "vmm/kernel/layout.hpp"
#include "vmm/kvm/monitor.hpp"

namespace faultline::vmm::kernel {

namespace {

using Bytes = std::span<const std::byte>;

template <class T>
std::optional<T> read(Bytes file, std::uint64_t offset) {
  if (offset > file.size() || file.size() - offset < sizeof(T)) return std::nullopt;
  T value;
  std::memcpy(&value, file.data() + offset, sizeof value);
  return value;
}

std::optional<Bytes> part(Bytes file, std::uint64_t offset, std::uint64_t bytes) {
  if (offset > file.size() || file.size() - offset < bytes) return std::nullopt;
  return file.subspan(offset, bytes);
}

// What the monitor area takes of the supervisor half.
bool over_the_stubs(Gva start, std::uint64_t bytes) {
  const Gva end = kvm::monitor_address(kvm::kFirstFreeFrame);
  return start < end && start.raw() + bytes > kvm::kMonitorBase.raw();
}

Result<Segment> make_segment(Bytes file, const Elf64_Phdr& header) {
  const auto refuse = [&](std::string_view why) {
    return fail(fmt::format("the segment at {:#x} {}", header.p_vaddr, why));
  };
  const Gva address(header.p_vaddr);
  if (header.p_memsz > kMaxImageBytes) return refuse("is larger than 64 MiB");
  if (header.p_vaddr + header.p_memsz < header.p_vaddr) return refuse("goes round the end of the address space");
  if (over_the_stubs(address, header.p_memsz)) return refuse("overlaps the entry stubs and their tables");
  if (address < kImageStart) return refuse("does not lie in the last 2 GiB (link with -mcmodel=kernel)");
  const auto bytes = part(file, header.p_offset, header.p_filesz);
  if (!bytes || header.p_filesz > header.p_memsz) return refuse("has more bytes than the file or the segment");
  return Segment{.start = address.page_base(),
                 .pages = page_align(address.page_offset() + header.p_memsz) >> kPageShift,
                 .offset = address.page_offset(),
                 .bytes = *bytes,
                 .write = (header.p_flags & PF_W) != 0,
                 .execute = (header.p_flags & PF_X) != 0};
}

Result<std::vector<Segment>> read_segments(Bytes file, const Elf64_Ehdr& header) {
  std::vector<Segment> segments;
  for (unsigned i = 0; i < header.e_phnum; ++i) {
    const auto program = read<Elf64_Phdr>(file, header.e_phoff + std::uint64_t{i} * sizeof(Elf64_Phdr));
    if (!program) return fail("the program headers lie outside the file");
    if (program->p_type != PT_LOAD || program->p_memsz == 0) continue;
    auto segment = make_segment(file, *program);
    if (!segment) return tl::unexpected(segment.error());
    segments.push_back(*segment);
  }
  if (segments.empty()) return fail("there is nothing to load in it");
  std::ranges::sort(segments, {}, &Segment::start);
  for (std::size_t i = 1; i < segments.size(); ++i) {
    const Segment& below = segments[i - 1];
    if (segments[i].start - below.start < below.pages * kPageSize)
      return fail(fmt::format("two segments share the page at {:#x}", segments[i].start.raw()));
  }
  return segments;
}

std::vector<mmu::AddressRange> code_of(const std::vector<Segment>& segments) {
  std::vector<mmu::AddressRange> code;
  for (const Segment& s : segments) {
    const Gva start = s.start + s.offset;
    if (s.execute) code.push_back({start, start + s.bytes.size()});
  }
  return code;
}

// True when the section at `index` has this name.
bool named(Bytes file, const Elf64_Shdr& names, std::uint32_t offset, std::string_view name) {
  if (offset > names.sh_size || names.sh_size - offset <= name.size()) return false;
  const auto text = part(file, names.sh_offset + offset, name.size() + 1);
  return text && std::memcmp(text->data(), name.data(), name.size()) == 0 && (*text)[name.size()] == std::byte{0};
}

Result<mmu::ExceptionTable> read_exceptions(Bytes file, const Elf64_Ehdr& header,
                                            const std::vector<mmu::AddressRange>& code) {
  const auto section = [&](unsigned index) {
    return read<Elf64_Shdr>(file, header.e_shoff + std::uint64_t{index} * sizeof(Elf64_Shdr));
  };
  if (header.e_shnum == 0) return mmu::ExceptionTable();
  const auto names = section(header.e_shstrndx);
  if (!names) return fail("the section headers lie outside the file");
  for (unsigned i = 0; i < header.e_shnum; ++i) {
    const auto candidate = section(i);
    if (!candidate) return fail("the section headers lie outside the file");
    if (!named(file, *names, candidate->sh_name, "__ex_table")) continue;
    const auto bytes = part(file, candidate->sh_offset, candidate->sh_size);
    if (!bytes || candidate->sh_type != SHT_PROGBITS) return fail("exception table: its bytes lie outside the file");
    return mmu::ExceptionTable::parse(*bytes, Gva(candidate->sh_addr), code);
  }
  return mmu::ExceptionTable();
}

}  // namespace

Result<Image> parse_image(Bytes file, std::uint64_t memory_bytes) {
  const auto header = read<Elf64_Ehdr>(file, 0);
  if (!header || std::memcmp(header->e_ident, ELFMAG, SELFMAG) != 0) return fail("not an ELF file");
  if (header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_machine != EM_X86_64)
    return fail("not an ELF file for x86-64");
  if (header->e_type != ET_EXEC || header->e_phentsize != sizeof(Elf64_Phdr) ||
      (header->e_shnum != 0 && header->e_shentsize != sizeof(Elf64_Shdr)))
    return fail("not a kernel program: a static, non-PIE ELF executable is needed");
  auto segments = read_segments(file, *header);
  if (!segments) return tl::unexpected(segments.error());
  std::uint64_t pages = 0;
  for (const Segment& s : *segments) pages += s.pages;
  if (pages * kPageSize > memory_bytes / 2)
    return fail(fmt::format("it needs {} KiB, more than half of guest memory", pages * kPageSize >> 10));
  const auto code = code_of(*segments);
  auto exceptions = read_exceptions(file, *header, code);
  if (!exceptions) return tl::unexpected(exceptions.error());
  const Gva entry(header->e_entry);
  if (std::ranges::none_of(code, [&](const auto& range) { return range.contains(entry); }))
    return fail(fmt::format("its entry point, {:#x}, is not in its code", entry.raw()));
  return Image{std::move(*segments), entry, std::move(*exceptions)};
}

}  // namespace faultline::vmm::kernel
