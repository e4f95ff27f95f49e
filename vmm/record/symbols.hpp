// Function symbols of an ELF64 file, for call traces. The file is hostile input: every offset
// is checked, and anything malformed only means fewer symbols.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mmu/base/address.hpp"
#include "mmu/base/result.hpp"

namespace faultline::vmm {

class SymbolTable {
 public:
  // At most so many symbols are read from one file.
  static constexpr std::size_t kMaxSymbols = 4u << 20;

  SymbolTable() = default;  // knows no symbol
  // Functions of .symtab and .dynsym. `image`: the whole file, not needed afterwards. `bias`:
  // load address minus link address, 0 for a non-PIE program. Error: not an ELF64 for x86-64.
  static Result<SymbolTable> from_elf(std::span<const std::byte> image, std::uint64_t bias);
  // The same of an open file, of which it reads no more than it needs and its position stays.
  static Result<SymbolTable> from_file(int fd, std::uint64_t bias);

  struct Match {
    std::string_view name;     // valid while the table lives
    std::uint64_t offset = 0;  // of the address in the function
    std::uint64_t size = 0;    // of the function; 0 where the file does not say
  };
  // The function that contains the address. One without a size reaches to
  // the next symbol or the end of its section.
  [[nodiscard]] std::optional<Match> find(Gva address) const;
  // "main+0x12/0x40", "main+0x12" where the size is unknown, or "0x401234".
  [[nodiscard]] std::string describe(Gva address) const;

  [[nodiscard]] std::size_t size() const { return symbols_.size(); }

 private:
  class Image;
  static Result<SymbolTable> from_image(const Image& image, std::uint64_t bias);
  struct Symbol {
    std::uint64_t start = 0, size = 0;
    std::uint64_t reach = 0;                  // size, or to the end of its section
    std::uint32_t name = 0, name_length = 0;  // in names_
  };
  struct Section;
  void add_table(const Image& image, std::span<const Section> sections, const Section& table, std::uint64_t bias);
  // False when the table is full.
  bool add(std::uint64_t start, std::uint64_t size, std::uint64_t left, std::string_view name);
  void sort();

  std::vector<Symbol> symbols_;  // by start, one per start
  std::string names_;
};

}  // namespace faultline::vmm
