// What the tables of the matrix are made of: dimensions, the reading of a choice, entries.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "vmm/conform/matrix.hpp"

namespace faultline::vmm::conform {

inline constexpr std::uint64_t kP = 1, kW = 2, kU = 4, kA = 1U << 5, kD = 1U << 6, kPs = 1U << 7, kG = 1U << 8;
inline constexpr std::uint64_t kNx = 1ULL << 63;
inline constexpr std::uint64_t kOpen = kP | kW | kU | kA;  // lets everything through

// Why a choice is no case.
inline constexpr std::string_view kNoCodeThere = "no instruction begins at this offset";

Dimension flag(std::string_view name, std::optional<unsigned> usual = std::nullopt);
Dimension list(std::string_view name, std::vector<std::string> values);
Dimension numbers(std::string_view name, unsigned first, unsigned last);
Dimension all_forms();
Dimension plain_access();  // read, write, fetch: the first three forms
Dimension who();           // supervisor, user

// The indices of a choice, one after the other as the dimensions are declared.
class Reader {
 public:
  explicit Reader(const Choice& choice) : choice_(choice) {}
  unsigned next() { return choice_[at_++]; }
  // `bits` when the next flag is set.
  std::uint64_t next(std::uint64_t bits) { return next() != 0 ? bits : 0; }
  bool on() { return next() != 0; }

 private:
  const Choice& choice_;
  std::size_t at_ = 0;
};

// Entries that let everything through, down to leaves of the given levels.
void open_paths(Case& c, unsigned leaf_a, unsigned leaf_b);
// Puts the table of `level` on the way to page A into memory of that kind.
void place_table(Case& c, Storage storage, unsigned level);
void set_flags(std::uint64_t& entry, std::uint64_t mask, std::uint64_t flags);
// The highest address bit there is not; where all 52 are there, bit 51 leads nowhere.
std::uint64_t reserved_bit(const model::Cpu& cpu);

Built illegal(std::string_view reason);
Built legal(Case c);

inline constexpr std::string_view kNoReserved = "with 52 address bits no bit of the address is reserved";
inline constexpr std::string_view kLevelBelowLeaf = "the walk ends above this level";
inline constexpr std::string_view kAcOfUser = "AC matters to data accesses of a supervisor alone";
inline constexpr std::string_view kOneLevelOnly = "this instruction is one of supervisor code";

}  // namespace faultline::vmm::conform
