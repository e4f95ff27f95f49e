// Figures of a campaign. Jobs count into memory that they share with the parent, which is still
// there when one of them dies.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "vmm/host/clock.hpp"

namespace faultline::vmm::fuzz {

enum class Count : std::uint8_t {
  kPrograms,
  kSteps,
  kFaults,      // of user code, as the first judge with page tables saw them
  kKept,        // programs added to the corpus
  kTaken,       // programs taken over that others added
  kExplained,   // disagreements that a rule of known deviations explains
  kNoise,       // disagreements with the host that did not recur
  kDuplicates,  // disagreements that a finding has already
  kFindings,
  kCrashes,  // jobs that died
  kErrors,   // judges that failed
  kRelations,
  kEntries,      // of the guest, by the judges that have one
  kListEnds,     // of these, those that ended in no fault
  kInnerEnds,    // where one would have, but the guest went on with the accesses of another program
  kDrops,        // of all that the guest's processor had cached
  kGuestNs,      // inside the guest
  kControlNs,    // in the host's kernel for the guest's sake: its registers, translations to be dropped
  kGuestWaitNs,  // of judges that have a guest and a thread: they had nothing to do
  kWaitNs,       // of a job: it had nothing to do but to wait for them
  kGenerateNs,
  kCompareNs,
  kShrinkNs,
  kFilesNs,
  kRelationNs,
};
inline constexpr std::size_t kCounts = 25, kMaxJudges = 8, kMaxRules = 96;
// The key in the statistics' JSON.
[[nodiscard]] std::string_view name(Count count);
[[nodiscard]] constexpr bool is_time(Count count) { return count >= Count::kGuestNs; }

// Plain numbers: the sum of several jobs'.
struct Figures {
  std::array<std::uint64_t, kCounts> counts{};
  struct OfJudge {
    std::uint64_t programs = 0, errors = 0, ns = 0;
  };
  std::array<OfJudge, kMaxJudges> judges{};
  std::array<std::uint64_t, kMaxRules> rules{};  // explained, by rule
  [[nodiscard]] std::uint64_t operator[](Count c) const { return counts[static_cast<std::size_t>(c)]; }
};

// One job's. Only its own process writes.
class Tally {
 public:
  void add(Count count, std::uint64_t n = 1) { bump(sum(count), n); }
  void judged(std::size_t judge, std::uint64_t ns, bool failed);
  void explained(std::size_t rule);
  void add_to(Figures& sum) const;
  // What a TimeIn adds to.
  [[nodiscard]] std::atomic<std::uint64_t>& sum(Count count) { return counts_[static_cast<std::size_t>(count)]; }
  [[nodiscard]] std::uint64_t get(Count count) const {
    return counts_[static_cast<std::size_t>(count)].load(std::memory_order_relaxed);
  }

 private:
  using Number = std::atomic<std::uint64_t>;
  static void bump(Number& number, std::uint64_t n) { number.fetch_add(n, std::memory_order_relaxed); }
  struct OfJudge {
    Number programs, errors, ns;
  };
  std::array<Number, kCounts> counts_{};
  std::array<OfJudge, kMaxJudges> judges_{};
  std::array<Number, kMaxRules> rules_{};
};

}  // namespace faultline::vmm::fuzz
