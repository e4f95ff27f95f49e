// What has been met: combinations of how an access was made, where its walk ended, the flags there,
// the control bits, what came of it and which step of the fault ladder decided. Judges with page
// tables make a feature for every fault and every access that is made; a program that shows a new
// one is worth keeping. What can be met at all is declared, so that coverage is a percentage.
#pragma once

#include <array>
#include <bitset>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "mmu/base/result.hpp"
#include "mmu/fault/fault.hpp"
#include "mmu/pgtable/walk.hpp"
#include "vmm/fuzz/program.hpp"
#include "vmm/fuzz/trace.hpp"

namespace faultline::vmm::fuzz {

enum class Touch : std::uint8_t { kRead, kWrite, kFetch, kModify, kKernel };
inline constexpr unsigned kTouches = 5;
// Of an operation of OpClass::kAccess or kKernelAccess; kCopy and kFill: of the part that stores.
[[nodiscard]] Touch touch_of(Op op);

// Where a walk ended. Mapped: kMapped plus W (1), U (2) and NX (4) as all levels together give them.
// kKept: not present, but it remembers something: a page without rights, a guard.
enum class WalkState : std::uint8_t { kEmpty, kKept, kReserved, kNoWalk, kMapped };
inline constexpr unsigned kWalkStates = 12;  // kMapped and its eight

// One access, or one fault of it.
struct Met {
  Touch touch = Touch::kRead;
  std::uint8_t level = 0;  // whose entry ended the walk; 0: a page is mapped; 5: there was no walk
  std::uint8_t state = 0;  // WalkState, with the rights of kMapped
  bool nxe = true, wp = true;
  // 0: the access was made. 1: an exception that is no #PF. 2 and up: FaultResult + 2.
  std::uint8_t outcome = 0;
  static constexpr std::uint8_t kNoStep = 63;
  std::uint8_t step = kNoStep;  // FaultStep that decided
  std::uint8_t path = 0;        // hash of the whole ladder path
};
inline constexpr unsigned kOutcomes = 13, kLastSteps = 64;

[[nodiscard]] std::uint32_t pack(const Met& met);
[[nodiscard]] Met unpack_met(std::uint32_t feature);

struct CoveredControls {
  bool nxe = true, wp = true;
};
// `walk`: of the address as the tables were when the access was made, before the fault is handled.
// `outcome`: what handle_page_fault() said; null: no fault.
[[nodiscard]] std::uint32_t feature(Touch touch, const mmu::Walk& walk, CoveredControls controls,
                                    const mmu::FaultOutcome* outcome);
// Any other exception.
[[nodiscard]] std::uint32_t exception_feature(Touch touch, const mmu::Walk& walk, CoveredControls controls);
// What a call returned: new ones make a program worth keeping as well, but are not of the universe.
[[nodiscard]] std::uint32_t call_feature(const Operation& operation, const StepResult& result);

// What a campaign may do decides what can be met.
struct Means {
  bool raw = false;       // entries and control bits are flipped
  bool failures = false;  // allocations fail
};

// A projection of what is met onto a few dimensions; coverage is counted over all of them.
enum class Table : std::uint8_t { kWalk, kDecision, kRights, kWhere };
inline constexpr unsigned kTables = 4;
[[nodiscard]] std::string_view name(Table table);
// Why the projection of `met` onto `table` cannot happen with these means; empty: it can.
[[nodiscard]] std::string_view impossible(Table table, const Met& met, Means means);

class Coverage {
 public:
  explicit Coverage(Means means = {});

  // How many of them are new here.
  std::size_t add(std::span<const std::uint32_t> features);
  void merge(const Coverage& other);
  [[nodiscard]] bool has(std::uint32_t feature) const { return features_.contains(feature); }
  [[nodiscard]] std::size_t features() const { return features_.size(); }
  [[nodiscard]] std::vector<std::uint32_t> sorted() const;

  struct Share {
    std::size_t met = 0, of = 0;
    std::size_t unforeseen = 0;  // met although the universe says that it can't be
    [[nodiscard]] double percent() const {
      return of == 0 ? 100.0 : 100.0 * static_cast<double>(met) / static_cast<double>(of);
    }
  };
  [[nodiscard]] Share share(Table table) const;
  [[nodiscard]] Share share() const;
  [[nodiscard]] double percent() const { return share().percent(); }
  // One line for each combination of `table` that was not met yet, or that was and should not be.
  [[nodiscard]] std::vector<std::string> missing(Table table) const;
  [[nodiscard]] std::vector<std::string> unforeseen(Table table) const;

  // Its features, with a checksum. Errors of parse() name the file and the byte.
  [[nodiscard]] std::vector<std::byte> serialise() const;
  static Result<Coverage> parse(std::span<const std::byte> bytes, std::string_view file_name, Means means);

 private:
  static constexpr std::size_t kCells = 10'000;
  Means means_;
  std::bitset<kCells> seen_;
  std::unordered_set<std::uint32_t> features_;
};

}  // namespace faultline::vmm::fuzz
