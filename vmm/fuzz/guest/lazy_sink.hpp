// A sink that puts off what shadow paging needs until the guest runs again: several address spaces that
// go one after the other cost one drop, several flushes one call, and what comes behind the last
// access of a program nothing at all.
#pragma once

#include <future>
#include <utility>
#include <vector>

#include "mmu/ports/tlb_sink.hpp"
#include "vmm/fuzz/trace.hpp"
#include "vmm/host/clock.hpp"

namespace faultline::vmm::fuzz {

class LazySink final : public mmu::TlbSink {
 public:
  // Outlives this.
  explicit LazySink(mmu::TlbSink& sink) : sink_(sink) {}

  // Frames are dropped by the time that the guest runs, whatever they serve as by then.
  mmu::TlbAction flush(const mmu::TlbBatch& batch) override {
    if (owing_) return mmu::TlbAction::kFullDrop;
    if (sink_.tables_reusable_after_flush()) return pass_on(batch);
    stale_.insert(stale_.end(), batch.frames.begin(), batch.frames.end());
    return batch.frames.empty() ? mmu::TlbAction::kNone : mmu::TlbAction::kFrameDrop;
  }
  [[nodiscard]] bool tables_reusable_after_flush() const override { return sink_.tables_reusable_after_flush(); }
  mmu::TlbAction drop_all() override {
    owing_ = true;
    return mmu::TlbAction::kFullDrop;
  }
  // A program's memory is taken back as a whole when it is over, and serves the next one when everything
  // was dropped (GuestJudge): until then nobody meets what shadow paging knows of tables that are gone.
  mmu::TlbAction end(Gpa /*root*/) override { return retires_tables() ? mmu::TlbAction::kNone : drop_all(); }
  [[nodiscard]] bool retires_tables() const override { return !sink_.tables_reusable_after_flush(); }
  // Before the guest's next instruction.
  void settle() {
    if (owing_) {
      const TimeIn time(cost_.control_ns);
      await_drop();
      sink_.drop_all();
      ++cost_.full_drops;
    } else if (!stale_.empty()) {
      mmu::TlbBatch batch{};
      batch.frames = stale_;
      pass_on(batch);
    }
    owing_ = required_ = false;
    stale_.clear();
  }
  // What is owed need not be paid: nothing that the guest runs from here on uses a root, a table or
  // a frame that there may be stale translations of. What was required is owed still.
  void forgive() {
    owing_ = required_;
    stale_.clear();
  }
  // Everything is dropped before the guest's next instruction, whatever is forgiven until then.
  void require() { owing_ = required_ = true; }

  // Places for programs come in two halves, and everything of one is dropped while programs run in the
  // other: KVM waits for the host's other threads over that, milliseconds where they are busy. Called
  // between the last program of a half and the first of the other, which finds its own dropped.
  // Precondition: shadow paging, whose drop_all() may come from any thread.
  void change_half() {
    const TimeIn time(cost_.control_ns);
    await_drop();
    dropping_ = std::async(std::launch::async, [this] { sink_.drop_all(); });
    ++cost_.full_drops;
  }

  // What the sink below cost since the last call.
  GuestCost take_cost() { return std::exchange(cost_, {}); }

 private:
  void await_drop() {
    if (dropping_.valid()) dropping_.get();
  }
  mmu::TlbAction pass_on(const mmu::TlbBatch& batch) {
    const TimeIn time(cost_.control_ns);
    const mmu::TlbAction action = sink_.flush(batch);
    if (action == mmu::TlbAction::kFullDrop) ++cost_.full_drops;
    if (action == mmu::TlbAction::kFrameDrop) ++cost_.flushes;
    return action;
  }

  mmu::TlbSink& sink_;
  GuestCost cost_;
  std::vector<mmu::FrameRange> stale_;  // to be dropped, with nothing owed
  bool owing_ = false, required_ = false;
  std::future<void> dropping_;  // last: it uses the sink, and is waited for
};

}  // namespace faultline::vmm::fuzz
