// Gathers what page-table edits made stale, and pays the debt once (Linux mmu_gather).
// Frames and tables retired here are freed only after the flush. A gather that dies with
// unpaid debt is a bug and aborts.
#pragma once

#include <vector>

#include "mmu/pgtable/page_tables.hpp"

namespace faultline::mmu {

class TlbGather {
 public:
  explicit TlbGather(PageTables& tables, EditLog* log = nullptr) : tables_(tables), log_(log) {}
  // For the end of the address space, in which nobody runs any more (Linux
  // tlb_gather_mmu_fullmm): every translation is dropped at once, and what is retired after that
  // is freed right away.
  static TlbGather for_exit(PageTables& tables);
  ~TlbGather() { FL_CHECK(!pending()); }
  TlbGather(const TlbGather&) = delete;
  TlbGather& operator=(const TlbGather&) = delete;

  // Translations of [va, va + level span) to `frame` are stale.
  void invalidate(Gva va, Gfn frame, Level level);
  // Drop one reference of the frame, after the flush.
  void retire_frame(Gfn frame);
  // Give the table back, after the flush. `parent` is the entry that it hung from.
  void retire_table(Gva va, Level level, Gfn table, Gpa parent);
  // Pays the debt. Does nothing when there is none.
  TlbAction flush();

  [[nodiscard]] bool pending() const { return pages_ != 0 || !frames_.empty() || !retired_tables_.empty(); }
  [[nodiscard]] PageTables& tables() const { return tables_; }
  [[nodiscard]] EditLog* log() const { return log_; }
  // The strongest action of all flushes so far.
  [[nodiscard]] TlbAction action() const { return action_; }

 private:
  struct RetiredTable {
    Gfn table;
    Gpa parent;
  };
  void widen(Gva start, std::uint64_t bytes);
  [[nodiscard]] bool at_exit() const { return tables_.dropped_; }

  PageTables& tables_;
  EditLog* log_;
  Gva start_{~0ULL}, end_{0};
  std::uint64_t pages_ = 0;
  TlbAction action_ = TlbAction::kNone;
  std::vector<FrameRange> stale_;
  std::vector<Gfn> frames_;
  std::vector<RetiredTable> retired_tables_;
};

}  // namespace faultline::mmu
