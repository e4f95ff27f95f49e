// A sink that puts off dropping everything until the guest runs again: several address spaces that
// go one after the other cost one drop, and what would be flushed meanwhile nothing at all.
#pragma once

#include <utility>

#include "mmu/ports/tlb_sink.hpp"
#include "vmm/fuzz/trace.hpp"
#include "vmm/host/clock.hpp"

namespace faultline::vmm::fuzz {

class LazySink final : public mmu::TlbSink {
 public:
  // Outlives this.
  explicit LazySink(mmu::TlbSink& sink) : sink_(sink) {}

  mmu::TlbAction flush(const mmu::TlbBatch& batch) override {
    if (owing_) return mmu::TlbAction::kFullDrop;
    const TimeIn time(cost_.control_ns);
    const mmu::TlbAction action = sink_.flush(batch);
    if (action == mmu::TlbAction::kFullDrop) ++cost_.full_drops;
    if (action == mmu::TlbAction::kFrameDrop) ++cost_.flushes;
    return action;
  }
  [[nodiscard]] bool tables_reusable_after_flush() const override { return sink_.tables_reusable_after_flush(); }
  mmu::TlbAction drop_all() override {
    owing_ = true;
    return mmu::TlbAction::kFullDrop;
  }
  // Before the guest's next instruction.
  void settle() {
    if (!owing_) return;
    const TimeIn time(cost_.control_ns);
    sink_.drop_all();
    ++cost_.full_drops;
    owing_ = required_ = false;
  }
  // What is owed need not be paid: nothing that the guest runs from here on uses a root, a table or
  // a frame that there may be stale translations of. What was required is owed still.
  void forgive() { owing_ = required_; }
  // Everything is dropped before the guest's next instruction, whatever is forgiven until then.
  void require() { owing_ = required_ = true; }

  // What the sink below cost since the last call.
  GuestCost take_cost() { return std::exchange(cost_, {}); }

 private:
  mmu::TlbSink& sink_;
  GuestCost cost_;
  bool owing_ = false, required_ = false;
};

}  // namespace faultline::vmm::fuzz
