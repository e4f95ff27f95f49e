#include "vmm/fuzz/machine/alias.hpp"

#include <array>
#include <optional>

#include "vmm/fuzz/layout.hpp"

namespace faultline::vmm::fuzz {

namespace {

// Bytes within a page, and where they are in memory.
struct Piece {
  Vpn page;
  Gpa at;
  std::uint64_t bytes = 0;
};
// At most two pages: nothing where a page is not mapped, or not reached.
using Pieces = std::array<std::optional<Piece>, 2>;

Pieces pieces_of(const mmu::PageTables& tables, std::uint64_t address, std::uint64_t count) {
  Pieces pieces;
  for (std::optional<Piece>& piece : pieces) {
    const std::uint64_t bytes = std::min(count, kPageSize - (address & kPageMask));
    if (bytes == 0) break;
    if (const mmu::Walk walk = tables.walk(Gva(address)); walk.mapped())
      piece = Piece{Gva(address).page(), walk.physical(), bytes};
    address += bytes;
    count -= bytes;
  }
  return pieces;
}

bool overlap(const Piece& a, const Piece& b) {
  return a.page != b.page && a.at < b.at + b.bytes && b.at < a.at + a.bytes;
}

}  // namespace

bool copies_through_alias(const mmu::PageTables& tables, const Operation& copy) {
  const auto count = static_cast<std::uint64_t>(copy.operands[0]);
  const auto pieces = [&](std::size_t operand) {
    return pieces_of(tables, address_of(unpack_address(copy.operands[operand])).raw(), count);
  };
  const Pieces from = pieces(1), to = pieces(2);
  for (const auto& source : from)
    for (const auto& target : to)
      if (source && target && overlap(*source, *target)) return true;
  return false;
}

}  // namespace faultline::vmm::fuzz
