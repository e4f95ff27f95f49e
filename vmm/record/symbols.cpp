#include "vmm/record/symbols.hpp"

#include <elf.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace faultline::vmm {

namespace {

constexpr std::size_t kMaxNameLength = 512;
// Symbols may share one long name in the file; they must not multiply it here.
constexpr std::size_t kMaxNameBytes = std::size_t{64} << 20;

using Bytes = std::span<const std::byte>;

template <class T>
bool read_at(Bytes image, std::uint64_t offset, T& out) {
  if (offset > image.size() || image.size() - offset < sizeof(T)) return false;
  std::memcpy(&out, image.data() + offset, sizeof(T));
  return true;
}

// The bytes of a section; empty when they are not in the file.
Bytes contents(Bytes image, const Elf64_Shdr& section) {
  if (section.sh_offset > image.size() || image.size() - section.sh_offset < section.sh_size) return {};
  return image.subspan(section.sh_offset, section.sh_size);
}

std::string_view string_at(Bytes strings, std::uint64_t offset) {
  if (offset >= strings.size()) return {};
  const auto* start = reinterpret_cast<const char*>(strings.data()) + offset;
  const std::size_t most = std::min<std::size_t>(strings.size() - offset, kMaxNameLength);
  const void* nul = std::memchr(start, '\0', most);
  // Without its end the name is not one.
  return nul == nullptr ? std::string_view{} : std::string_view(start, static_cast<const char*>(nul));
}

struct Sections {
  Bytes image;
  std::uint64_t offset = 0;
  std::uint64_t count = 0;
  std::uint64_t stride = 0;

  bool get(std::uint64_t index, Elf64_Shdr& out) const {
    return index < count && read_at(image, offset + index * stride, out);
  }
};

Sections sections_of(Bytes image, const Elf64_Ehdr& header) {
  Sections s{image, header.e_shoff, header.e_shnum, header.e_shentsize};
  if (s.offset == 0 || s.offset >= image.size() || s.stride < sizeof(Elf64_Shdr)) return {};
  // More than 65279 sections: the number is in the first one (ELF specification, "ELF Header").
  Elf64_Shdr first;
  if (s.count == 0 && read_at(image, s.offset, first)) s.count = first.sh_size;
  s.count = std::min(s.count, (image.size() - s.offset) / s.stride);
  return s;
}

// Functions; and labels of assembly code, which have no type but lie in code.
bool is_code(const Elf64_Sym& symbol, const Elf64_Shdr* section) {
  if (symbol.st_shndx == SHN_UNDEF) return false;
  const unsigned type = ELF64_ST_TYPE(symbol.st_info);
  if (type == STT_FUNC || type == STT_GNU_IFUNC) return true;
  return type == STT_NOTYPE && section != nullptr && (section->sh_flags & SHF_EXECINSTR) != 0;
}

}  // namespace

Result<SymbolTable> SymbolTable::from_elf(Bytes image, std::uint64_t bias) {
  Elf64_Ehdr header;
  if (!read_at(image, 0, header) || std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0)
    return fail("no symbols: not an ELF file");
  if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB || header.e_machine != EM_X86_64)
    return fail("no symbols: not a 64-bit ELF file for x86-64");

  SymbolTable table;
  const Sections sections = sections_of(image, header);
  for (std::uint64_t n = 0; n < sections.count; ++n) {
    Elf64_Shdr section;
    Elf64_Shdr strings;
    if (!sections.get(n, section) || (section.sh_type != SHT_SYMTAB && section.sh_type != SHT_DYNSYM)) continue;
    if (!sections.get(section.sh_link, strings)) continue;
    const Bytes symbols = contents(image, section);
    const Bytes names = contents(image, strings);
    for (std::uint64_t at = 0; at + sizeof(Elf64_Sym) <= symbols.size(); at += sizeof(Elf64_Sym)) {
      Elf64_Sym symbol;
      (void)read_at(symbols, at, symbol);
      Elf64_Shdr home;
      const bool known = symbol.st_shndx < SHN_LORESERVE && sections.get(symbol.st_shndx, home);
      const std::string_view name = string_at(names, symbol.st_name);
      if (name.empty() || !is_code(symbol, known ? &home : nullptr)) continue;
      const std::uint64_t left = known && symbol.st_value - home.sh_addr < home.sh_size
                                     ? home.sh_size - (symbol.st_value - home.sh_addr)
                                     : kPageSize;
      if (!table.add(symbol.st_value + bias, symbol.st_size, left, name)) break;
    }
  }
  table.sort();
  return table;
}

bool SymbolTable::add(std::uint64_t start, std::uint64_t size, std::uint64_t left, std::string_view name) {
  if (symbols_.size() >= kMaxSymbols || names_.size() + name.size() > kMaxNameBytes) return false;
  symbols_.push_back(Symbol{start, size, size != 0 ? size : left, static_cast<std::uint32_t>(names_.size()),
                            static_cast<std::uint32_t>(name.size())});
  names_ += name;
  return true;
}

// One symbol per start: the one with a size, then the first in the file.
void SymbolTable::sort() {
  std::ranges::stable_sort(symbols_, [](const Symbol& a, const Symbol& b) {
    return a.start != b.start ? a.start < b.start : (a.size != 0) > (b.size != 0);
  });
  const auto same = [](const Symbol& a, const Symbol& b) { return a.start == b.start; };
  symbols_.erase(std::unique(symbols_.begin(), symbols_.end(), same), symbols_.end());
}

std::optional<SymbolTable::Match> SymbolTable::find(Gva address) const {
  auto next = std::ranges::upper_bound(symbols_, address.raw(), {}, &Symbol::start);
  if (next == symbols_.begin()) return std::nullopt;
  const Symbol& s = *std::prev(next);
  const std::uint64_t offset = address.raw() - s.start;
  if (offset >= s.reach) return std::nullopt;
  return Match{std::string_view(names_).substr(s.name, s.name_length), offset, s.size};
}

std::string SymbolTable::describe(Gva address) const {
  const auto match = find(address);
  if (!match) return fmt::format("{:#x}", address.raw());
  if (match->size == 0) return fmt::format("{}+{:#x}", match->name, match->offset);
  return fmt::format("{}+{:#x}/{:#x}", match->name, match->offset, match->size);
}

}  // namespace faultline::vmm
