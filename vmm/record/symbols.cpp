#include "vmm/record/symbols.hpp"

#include <elf.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "vmm/host/read_exactly.hpp"

namespace faultline::vmm {

namespace {

constexpr std::size_t kMaxNameLength = 512;
// Symbols may share one long name in the file; they must not multiply it here.
constexpr std::size_t kMaxNameBytes = std::size_t{64} << 20;
constexpr std::uint64_t kMaxSections = 1U << 20;
constexpr std::uint64_t kMaxStringBytes = std::uint64_t{256} << 20;

std::string_view string_at(std::span<const std::byte> strings, std::uint64_t offset) {
  if (offset >= strings.size()) return {};
  const auto* start = reinterpret_cast<const char*>(strings.data()) + offset;
  const std::size_t most = std::min<std::size_t>(strings.size() - offset, kMaxNameLength);
  const void* nul = std::memchr(start, '\0', most);
  // Without its end the name is not one.
  return nul == nullptr ? std::string_view{} : std::string_view(start, static_cast<const char*>(nul));
}

// Functions; and labels of assembly code, which have no type but lie in code.
bool is_code(const Elf64_Sym& symbol, const Elf64_Shdr* section) {
  if (symbol.st_shndx == SHN_UNDEF) return false;
  const unsigned type = ELF64_ST_TYPE(symbol.st_info);
  if (type == STT_FUNC || type == STT_GNU_IFUNC) return true;
  return type == STT_NOTYPE && section != nullptr && (section->sh_flags & SHF_EXECINSTR) != 0;
}

}  // namespace

struct SymbolTable::Section : Elf64_Shdr {};

// The bytes of a file, wherever they are.
class SymbolTable::Image {
 public:
  explicit Image(std::span<const std::byte> bytes) : bytes_(bytes), size_(bytes.size()) {}
  Image(int fd, std::uint64_t size) : fd_(fd), size_(size) {}

  // `count` of them from `offset` on; none when they are not all in the file.
  template <class T>
  [[nodiscard]] std::vector<T> read(std::uint64_t offset, std::uint64_t count) const {
    if (offset > size_ || (size_ - offset) / sizeof(T) < count) return {};
    std::vector<T> items(count);
    if (!copy(offset, std::as_writable_bytes(std::span(items)))) items.clear();
    return items;
  }
  // The bytes of a section as so many of T, the first `most` of them.
  template <class T>
  [[nodiscard]] std::vector<T> contents(const Section& section, std::uint64_t most) const {
    if (section.sh_offset > size_ || size_ - section.sh_offset < section.sh_size) return {};
    return read<T>(section.sh_offset, std::min<std::uint64_t>(section.sh_size / sizeof(T), most));
  }
  [[nodiscard]] std::vector<Section> sections() const;

 private:
  bool copy(std::uint64_t offset, std::span<std::byte> to) const {
    if (fd_ >= 0) return read_exactly(fd_, to, offset);
    std::ranges::copy(bytes_.subspan(offset, to.size()), to.begin());
    return true;
  }

  std::span<const std::byte> bytes_;
  int fd_ = -1;
  std::uint64_t size_;
};

std::vector<SymbolTable::Section> SymbolTable::Image::sections() const {
  const std::vector<Elf64_Ehdr> header = read<Elf64_Ehdr>(0, 1);
  if (header.empty() || header[0].e_shoff == 0 || header[0].e_shentsize != sizeof(Elf64_Shdr)) return {};
  const std::uint64_t offset = header[0].e_shoff;
  std::uint64_t count = header[0].e_shnum;
  // More than 65279 sections: the number is in the first one (ELF specification, "ELF Header").
  if (const auto first = read<Section>(offset, 1); count == 0 && !first.empty()) count = first[0].sh_size;
  const std::uint64_t there = offset < size_ ? (size_ - offset) / sizeof(Elf64_Shdr) : 0;
  return read<Section>(offset, std::min({count, there, kMaxSections}));
}

Result<SymbolTable> SymbolTable::from_elf(std::span<const std::byte> image, std::uint64_t bias) {
  return from_image(Image(image), bias);
}

Result<SymbolTable> SymbolTable::from_file(int fd, std::uint64_t bias) {
  struct stat st {};
  if (::fstat(fd, &st) != 0) return fail(fmt::format("no symbols: {}", std::strerror(errno)));
  if (!S_ISREG(st.st_mode)) return fail("no symbols: not a regular file");
  return from_image(Image(fd, static_cast<std::uint64_t>(st.st_size)), bias);
}

Result<SymbolTable> SymbolTable::from_image(const Image& image, std::uint64_t bias) {
  const std::vector<Elf64_Ehdr> read = image.read<Elf64_Ehdr>(0, 1);
  if (read.empty() || std::memcmp(read[0].e_ident, ELFMAG, SELFMAG) != 0) return fail("no symbols: not an ELF file");
  const Elf64_Ehdr& header = read[0];
  if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB || header.e_machine != EM_X86_64)
    return fail("no symbols: not a 64-bit ELF file for x86-64");

  SymbolTable table;
  const std::vector<Section> sections = image.sections();
  // Of each type a file has one at most (ELF specification, "Sections"); this may have any number.
  for (const Elf64_Word type : {SHT_SYMTAB, SHT_DYNSYM}) {
    const auto found = std::ranges::find(sections, type, &Section::sh_type);
    if (found != sections.end()) table.add_table(image, sections, *found, bias);
  }
  table.sort();
  return table;
}

void SymbolTable::add_table(const Image& image, std::span<const Section> sections, const Section& table,
                            std::uint64_t bias) {
  if (table.sh_link >= sections.size()) return;
  const std::vector<std::byte> names = image.contents<std::byte>(sections[table.sh_link], kMaxStringBytes);
  for (const Elf64_Sym& symbol : image.contents<Elf64_Sym>(table, kMaxSymbols)) {
    const Section* home =
        symbol.st_shndx < std::min<std::size_t>(sections.size(), SHN_LORESERVE) ? &sections[symbol.st_shndx] : nullptr;
    const std::string_view name = string_at(names, symbol.st_name);
    if (name.empty() || !is_code(symbol, home)) continue;
    const std::uint64_t into = home != nullptr ? symbol.st_value - home->sh_addr : 0;
    const std::uint64_t left = home != nullptr && into < home->sh_size ? home->sh_size - into : kPageSize;
    if (!add(symbol.st_value + bias, symbol.st_size, left, name)) return;
  }
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
