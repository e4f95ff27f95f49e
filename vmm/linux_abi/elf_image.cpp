#include "vmm/linux_abi/elf_image.hpp"

#include <elf.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <span>

#include "mmu/base/address.hpp"
#include "vmm/host/read_exactly.hpp"
#include "vmm/linux_abi/elf_loader.hpp"

namespace faultline::vmm::linux_abi {
namespace {

constexpr std::uint64_t kMaxHeaderBytes = 65536;  // Linux load_elf_phdrs
constexpr std::uint64_t kMaxVirtual = AddressLayout::kStackTop;

tl::unexpected<LoadError> bad(const std::string& name, std::string_view what) {
  return cannot_execute(fmt::format("{}: {}", name, what));
}

// The checks that need only the identification bytes.
LoadResult<void> check_ident(const std::string& name, std::span<const unsigned char> ident) {
  if (ident.empty()) return bad(name, "empty file, not an ELF program");
  if (ident.size() >= 2 && ident[0] == '#' && ident[1] == '!')
    return bad(name, "is a script; run its interpreter (a static program) with the script as argument");
  if (ident.size() < SELFMAG || std::memcmp(ident.data(), ELFMAG, SELFMAG) != 0) return bad(name, "not an ELF program");
  if (ident.size() < EI_NIDENT) return bad(name, "truncated ELF header");
  if (ident[EI_CLASS] == ELFCLASS32) return bad(name, "is a 32-bit program; only 64-bit x86-64 programs run");
  if (ident[EI_CLASS] != ELFCLASS64) return bad(name, "unknown ELF class");
  if (ident[EI_DATA] != ELFDATA2LSB) return bad(name, "is not a little-endian program");
  if (ident[EI_VERSION] != EV_CURRENT) return bad(name, "unknown ELF version");
  return {};
}

LoadResult<void> check_header(const std::string& name, const Elf64_Ehdr& h, std::uint64_t file_size) {
  if (h.e_machine != EM_X86_64) return bad(name, fmt::format("is for another machine (ELF machine {})", h.e_machine));
  if (h.e_type == ET_REL) return bad(name, "is an object file, not a program; link it first");
  if (h.e_type == ET_CORE) return bad(name, "is a core dump, not a program");
  if (h.e_type != ET_EXEC && h.e_type != ET_DYN) return bad(name, fmt::format("unknown ELF type {}", h.e_type));
  if (h.e_version != EV_CURRENT) return bad(name, "unknown ELF version");
  if (h.e_phentsize != sizeof(Elf64_Phdr)) return bad(name, "program headers have the wrong size");
  if (h.e_phnum == 0) return bad(name, "has no program headers");
  const std::uint64_t bytes = std::uint64_t{h.e_phnum} * sizeof(Elf64_Phdr);
  if (bytes > kMaxHeaderBytes) return bad(name, "too many program headers");
  if (h.e_phoff > file_size || file_size - h.e_phoff < bytes)
    return bad(name, "truncated: program headers end past the file");
  return {};
}

LoadResult<void> check_segment(const std::string& name, unsigned index, const Elf64_Phdr& p, std::uint64_t file_size) {
  auto complain = [&](std::string_view what) { return bad(name, fmt::format("segment {} {}", index, what)); };
  if (p.p_filesz > p.p_memsz) return complain("is larger in the file than in memory");
  if (p.p_vaddr >= kMaxVirtual || p.p_memsz > kMaxVirtual - p.p_vaddr) return complain("lies outside user space");
  if (p.p_offset > file_size || p.p_filesz > file_size - p.p_offset) return complain("ends past the file: truncated");
  if ((p.p_vaddr & kPageMask) != (p.p_offset & kPageMask)) return complain("is not page congruent with the file");
  if (p.p_align > 1 && !std::has_single_bit(p.p_align)) return complain("has an alignment that is no power of two");
  return {};
}

// Fills in `image` from one program header.
LoadResult<void> take(const std::string& name, unsigned index, const Elf64_Phdr& p, const Elf64_Ehdr& h,
                      std::uint64_t file_size, ElfImage& image) {
  if (p.p_type == PT_INTERP) return bad(name, "is dynamically linked and needs a dynamic loader; link it with -static");
  if (p.p_type == PT_GNU_STACK) image.executable_stack = (p.p_flags & PF_X) != 0;
  if (p.p_type != PT_LOAD || p.p_memsz == 0) return {};
  if (auto checked = check_segment(name, index, p, file_size); !checked) return checked;
  if (!image.loads.empty() && p.p_vaddr < image.high())
    return bad(name, fmt::format("segment {} overlaps the one before it, or is out of order", index));
  image.loads.push_back({p.p_vaddr, p.p_memsz, p.p_offset, p.p_filesz, p.p_align, p.p_flags});
  // Linux: the program headers are where the segment that holds them in the file puts them.
  if (p.p_offset <= h.e_phoff && h.e_phoff - p.p_offset < p.p_filesz)
    image.phdr_vaddr = p.p_vaddr + (h.e_phoff - p.p_offset);
  return {};
}

LoadResult<void> check_entry(const std::string& name, const ElfImage& image) {
  if (image.loads.empty()) return bad(name, "has nothing to load");
  if (image.position_independent && image.entry == 0) return bad(name, "is a shared library, not a program");
  const bool inside = std::ranges::any_of(
      image.loads, [&](const ElfSegment& s) { return image.entry >= s.vaddr && image.entry - s.vaddr < s.memsz; });
  if (!inside) return bad(name, fmt::format("entry point {:#x} lies outside every segment", image.entry));
  return {};
}

}  // namespace

std::uint64_t ElfImage::max_align() const {
  std::uint64_t align = kPageSize;
  for (const ElfSegment& s : loads) align = std::max(align, s.align);
  return align;
}

LoadResult<ElfImage> parse_elf(int fd, const std::string& name) {
  struct stat st {};
  if (::fstat(fd, &st) != 0) return bad(name, std::strerror(errno));
  const auto size = static_cast<std::uint64_t>(st.st_size);

  std::array<unsigned char, EI_NIDENT> ident{};
  const std::size_t ident_bytes = std::min<std::uint64_t>(size, ident.size());
  if (!read_exactly(fd, std::as_writable_bytes(std::span(ident).first(ident_bytes)), 0))
    return bad(name, "cannot be read");
  if (auto ok = check_ident(name, std::span(ident).first(ident_bytes)); !ok) return tl::unexpected(ok.error());

  Elf64_Ehdr header{};
  if (!read_exactly(fd, std::as_writable_bytes(std::span(&header, 1)), 0)) return bad(name, "truncated ELF header");
  if (auto ok = check_header(name, header, size); !ok) return tl::unexpected(ok.error());

  std::vector<Elf64_Phdr> phdrs(header.e_phnum);
  if (!read_exactly(fd, std::as_writable_bytes(std::span(phdrs)), header.e_phoff))
    return bad(name, "program headers cannot be read");

  ElfImage image;
  image.position_independent = header.e_type == ET_DYN;
  image.entry = header.e_entry;
  image.phnum = header.e_phnum;
  for (unsigned i = 0; i < phdrs.size(); ++i) {
    if (auto ok = take(name, i, phdrs[i], header, size, image); !ok) return tl::unexpected(ok.error());
  }
  if (auto ok = check_entry(name, image); !ok) return tl::unexpected(ok.error());
  return image;
}

}  // namespace faultline::vmm::linux_abi
