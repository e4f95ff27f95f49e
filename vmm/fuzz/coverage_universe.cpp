// The universe of coverage: which combinations can happen at all, and why the others can't.
#include <algorithm>

#include "vmm/fuzz/coverage.hpp"

namespace faultline::vmm::fuzz {

namespace {

using mmu::FaultResult;
using mmu::FaultStep;

constexpr unsigned bit(unsigned n) { return 1U << n; }
constexpr unsigned bit(Touch t) { return bit(static_cast<unsigned>(t)); }
constexpr unsigned bit(FaultResult r) { return bit(static_cast<unsigned>(r) + 2); }

constexpr unsigned kLoads = bit(Touch::kRead) | bit(Touch::kFetch) | bit(Touch::kKernel);
constexpr unsigned kStores = bit(Touch::kWrite) | bit(Touch::kModify) | bit(Touch::kKernel);
constexpr unsigned kUsers = bit(Touch::kRead) | bit(Touch::kWrite) | bit(Touch::kFetch) | bit(Touch::kModify);
constexpr unsigned kAnyone = kUsers | bit(Touch::kKernel);

constexpr std::uint8_t kMapped = static_cast<std::uint8_t>(WalkState::kMapped);
constexpr std::uint8_t kWriteRight = 1, kUserRight = 2, kNoExecuteRight = 4;
bool mapped(const Met& m) { return m.state >= kMapped; }
bool has_right(const Met& m, std::uint8_t right) { return mapped(m) && ((m.state - kMapped) & right) != 0; }

// Where a walk may have ended when a step decides.
enum Ends : std::uint8_t {
  kNoEntry = 1,    // nothing there, at any level
  kNoTable = 2,    // a table is missing
  kKeptEntry = 4,  // the last entry remembers something
  kReservedBit = 8,
  kReadOnly = 16,  // a page without W
  kAnyPage = 32,
};

// A step that may be the last of a path: with which outcomes, of which accesses.
struct StepRow {
  FaultStep step;
  unsigned outcomes, touches;
  std::uint8_t ends;
  enum : std::uint8_t { kPlain, kRaw, kFailures } needs = kPlain;
};
constexpr unsigned kResolved = bit(FaultResult::kResolved);
constexpr std::array<StepRow, 22> kSteps{{
    {FaultStep::kKernelAddress, bit(FaultResult::kSegvMapErr), kUsers, kNoEntry},
    {FaultStep::kVsyscall, bit(FaultResult::kSegvMapErr) | bit(FaultResult::kVsyscall), kUsers, kNoEntry},
    {FaultStep::kPgtableBad, bit(FaultResult::kPgtableBad), kUsers, kReservedBit, StepRow::kRaw},
    {FaultStep::kNoVma, bit(FaultResult::kSegvMapErr), kAnyone, kNoEntry},
    {FaultStep::kStackRefused, bit(FaultResult::kSegvMapErr), kAnyone, kNoEntry},
    {FaultStep::kAccessError, bit(FaultResult::kSegvAccErr), kAnyone, kNoEntry | kKeptEntry | kAnyPage},
    {FaultStep::kTablesFull, bit(FaultResult::kOutOfMemory), kAnyone, kNoTable, StepRow::kFailures},
    {FaultStep::kAnonymousZero, kResolved, kLoads, kNoEntry},
    {FaultStep::kAnonymousPage, kResolved, kStores, kNoEntry},
    {FaultStep::kReadFault, kResolved, kLoads, kNoEntry},
    {FaultStep::kFaultAround, kResolved, kLoads, kNoEntry},
    {FaultStep::kCowFault, kResolved, kStores, kNoEntry},
    {FaultStep::kSharedFault, kResolved, kStores, kNoEntry},
    {FaultStep::kPageMkwrite, kResolved, kStores, kNoEntry | kReadOnly},
    {FaultStep::kReuse, kResolved, kStores, kReadOnly},
    {FaultStep::kCopy, kResolved, kStores, kReadOnly},
    {FaultStep::kShared, kResolved, kStores, kReadOnly},
    {FaultStep::kSpurious, kResolved, kUsers, kAnyPage, StepRow::kRaw},
    {FaultStep::kGuard, bit(FaultResult::kSegvMapErr), kAnyone, kKeptEntry},
    {FaultStep::kBadEntry, bit(FaultResult::kPgtableBad), kAnyone, kKeptEntry, StepRow::kRaw},
    {FaultStep::kBeyondFile, bit(FaultResult::kBusAdrErr), kAnyone, kNoEntry},
    {FaultStep::kOutOfMemory, bit(FaultResult::kOutOfMemory), kAnyone, kNoEntry | kReadOnly, StepRow::kFailures},
}};

// Steps that never are the last of a program's fault.
std::string_view why_never(FaultStep step) {
  switch (step) {
    case FaultStep::kKmmio:
    case FaultStep::kVmallocFault:
    case FaultStep::kKmemcheck:
    case FaultStep::kSpuriousKernel:
    case FaultStep::kKprobes:
    case FaultStep::kKernelFetch:
    case FaultStep::kSmapViolation:
    case FaultStep::kFaultsDisabled: return "of kernel code: a program has none";
    case FaultStep::kLockHeld:
    case FaultStep::kRetry:
    case FaultStep::kCompleted:
    case FaultStep::kSignalPending:
    case FaultStep::kRaced:
    case FaultStep::kTruncated:
    case FaultStep::kMigrationWait: return "nobody else is at work while a program runs";
    case FaultStep::kVmaLocked:
    case FaultStep::kVmaFound:
    case FaultStep::kStackExpanded:
    case FaultStep::kWriteProtect: return "another step follows";
    case FaultStep::kStackPointer: return "Linux before 5.0";
    case FaultStep::kProtNone: return "a page is made accessible when its mapping is";
    case FaultStep::kPoison: return "no operation poisons memory";
    case FaultStep::kUnstable: return "no process is reaped for its memory";
    default: return "there is no such step";
  }
}

std::string_view needs(const StepRow& row, Means means) {
  if (row.needs == StepRow::kRaw && !means.raw) return "only after raw changes of entries (--raw)";
  if (row.needs == StepRow::kFailures && !means.failures) return "only when an allocation fails (--failures)";
  return {};
}

const StepRow* find_step(std::uint8_t step) {
  const auto row = std::ranges::find(kSteps, static_cast<FaultStep>(step), &StepRow::step);
  return row == kSteps.end() ? nullptr : &*row;
}

// Which entries there are, at all.
std::string_view impossible_end(const Met& m, Means means) {
  const auto state = static_cast<WalkState>(std::min(m.state, kMapped));
  switch (state) {
    case WalkState::kNoWalk: return m.level == 5 ? "" : "an address that is not canonical is not walked";
    case WalkState::kMapped:
      if (m.level != 0) return "a page is mapped by its last entry";
      return has_right(m, kUserRight) || means.raw ? "" : "user code's pages have U, unless it is flipped (--raw)";
    case WalkState::kEmpty: return m.level >= 1 && m.level <= 4 ? "" : "entries are of level 1 to 4";
    case WalkState::kKept:
      if (m.level == 1) return "";
      return means.raw && m.level >= 2 && m.level <= 4 ? ""
                                                       : "only last entries remember anything, unless P is flipped";
    case WalkState::kReserved:
      if (m.level < 1 || m.level > 4) return "entries are of level 1 to 4";
      return means.raw ? "" : "reserved bits are set by flips only (--raw)";
  }
  return "there is no such end";
}

std::string_view impossible_walk(const Met& m, Means means) {
  if (m.touch == Touch::kKernel && m.level == 5) return "a system call refuses the address, and walks nothing";
  return impossible_end(m, means);
}

std::string_view impossible_decision(const Met& m, Means means) {
  if (m.step == Met::kNoStep) {
    if (m.outcome > 1) return "faults are decided by a step";
    return m.outcome == 1 && m.touch == Touch::kKernel ? "a system call has no exceptions of the program's" : "";
  }
  const StepRow* row = find_step(m.step);
  if (row == nullptr) return why_never(static_cast<FaultStep>(m.step));
  if ((row->outcomes & bit(m.outcome)) == 0) return "this step has another outcome";
  if ((row->touches & bit(m.touch)) == 0) return "this step is not for this kind of access";
  const bool called = m.outcome == static_cast<unsigned>(FaultResult::kVsyscall) + 2;
  if (called && m.touch != Touch::kFetch) return "the vsyscall page is called by fetches";
  return needs(*row, means);
}

// Do entries and control bits let user code make the access?
bool allowed(const Met& m) {
  if (!mapped(m) || !has_right(m, kUserRight)) return false;
  switch (m.touch) {
    case Touch::kRead:
    case Touch::kKernel: return true;
    case Touch::kWrite:
    case Touch::kModify: return has_right(m, kWriteRight);
    case Touch::kFetch: return !m.nxe || !has_right(m, kNoExecuteRight);
  }
  return false;
}

std::string_view impossible_rights(const Met& m, Means means) {
  if ((!m.nxe || !m.wp) && !means.raw) return "control bits are flipped by raw operations only (--raw)";
  Met anywhere = m;
  anywhere.level = mapped(m) ? 0 : static_cast<WalkState>(m.state) == WalkState::kNoWalk ? 5 : 1;
  if (const auto why = impossible_walk(anywhere, means); !why.empty()) return why;
  if (m.outcome == 1) {
    if (m.touch == Touch::kKernel) return "a system call has no exceptions of the program's";
    const bool fetched = m.touch == Touch::kFetch && allowed(m);
    return fetched || anywhere.level == 5 ? "" : "only of what was fetched, and of addresses that are not canonical";
  }
  if (anywhere.level == 5) return "an address that is not canonical is #GP";
  if (m.outcome == 0) return allowed(m) ? "" : "rights deny it: by a stale translation at most";
  if (!mapped(m)) return "";
  if (m.touch == Touch::kKernel) return has_right(m, kWriteRight) ? "rights allow it" : "";
  return allowed(m) ? "rights allow it: by a stale translation at most" : "";
}

bool ends_fit(std::uint8_t ends, const Met& m) {
  switch (static_cast<WalkState>(std::min(m.state, kMapped))) {
    case WalkState::kEmpty: return (ends & kNoEntry) != 0 || ((ends & kNoTable) != 0 && m.level > 1);
    case WalkState::kKept: return (ends & kKeptEntry) != 0 && m.level == 1;
    case WalkState::kReserved: return (ends & kReservedBit) != 0;
    case WalkState::kNoWalk: return false;
    case WalkState::kMapped: return (ends & kAnyPage) != 0 || ((ends & kReadOnly) != 0 && !has_right(m, kWriteRight));
  }
  return false;
}

std::string_view impossible_where(const Met& m, Means means) {
  if (const auto why = impossible_end(m, means); !why.empty()) return why;
  if (m.step == Met::kNoStep) return mapped(m) || m.level == 5 ? "" : "what is not mapped faults";
  const StepRow* row = find_step(m.step);
  if (row == nullptr) return why_never(static_cast<FaultStep>(m.step));
  if (const auto why = needs(*row, means); !why.empty()) return why;
  if (!ends_fit(row->ends, m)) return "this step is for other ends of a walk";
  return mapped(m) && !has_right(m, kUserRight) && m.step != static_cast<std::uint8_t>(FaultStep::kSpurious)
             ? "after a flipped U the fault is spurious, or what the mapping says"
             : "";
}

}  // namespace

std::string_view impossible(Table table, const Met& met, Means means) {
  switch (table) {
    case Table::kWalk: return impossible_walk(met, means);
    case Table::kDecision: return impossible_decision(met, means);
    case Table::kRights: return impossible_rights(met, means);
    case Table::kWhere: return impossible_where(met, means);
  }
  return "there is no such table";
}

}  // namespace faultline::vmm::fuzz
