// The accesses of one program that the guest is to make, and how far it is with them.
#pragma once

#include <algorithm>
#include <span>

#include "vmm/fuzz/guest/engine.hpp"
#include "vmm/fuzz/machine/processor.hpp"

namespace faultline::vmm::fuzz {

class AccessList {
 public:
  // All outlive this. `cost`: who pays for what is done for this list.
  AccessList(mmu::AddressSpace& mm, Engine& engine, std::span<const Operation> accesses, AccessSink& sink,
             GuestCost& cost)
      : mm_(&mm), engine_(&engine), accesses_(accesses), sink_(&sink), cost_(&cost) {}

  [[nodiscard]] mmu::AddressSpace& mm() const { return *mm_; }
  [[nodiscard]] AccessSink& sink() const { return *sink_; }
  [[nodiscard]] GuestCost& cost() const { return *cost_; }

  // Puts the next ones before the engine, as many as it takes; `end` is the handler behind them.
  // Precondition: those of the last time are over.
  void write(unsigned end) {
    first_ += std::exchange(count_, 0);
    count_ = std::min(accesses_.size() - first_, Engine::kMaxRecords);
    done_ = 0;
    engine_->write(accesses_.subspan(first_, count_), end);
  }
  // Those that were written are made, or given up; so are all of them.
  [[nodiscard]] bool over() const { return stopped_ || done_ == count_; }
  [[nodiscard]] bool all_over() const { return stopped_ || first_ + done_ == accesses_.size(); }
  void stop() { stopped_ = true; }

  // Of those that were written, by record: one that is still to be made; the access; its number of all.
  [[nodiscard]] bool awaits(std::size_t record) const { return record >= done_ && record < count_; }
  [[nodiscard]] const Operation& access(std::size_t record) const { return accesses_[first_ + record]; }
  [[nodiscard]] std::size_t number(std::size_t record) const { return first_ + record; }

  // Those before `record` were made: the sink hears of them.
  void made_before(std::size_t record) {
    for (; done_ < record; ++done_) sink_->made(number(done_), engine_->loaded(done_, access(done_)));
  }
  void made_all() { made_before(count_); }
  // `record` is over without having been made.
  void leave_out(std::size_t record) { done_ = record + 1; }

 private:
  mmu::AddressSpace* mm_;
  Engine* engine_;
  std::span<const Operation> accesses_;
  AccessSink* sink_;
  GuestCost* cost_;
  std::size_t first_ = 0, count_ = 0;  // what was written
  std::size_t done_ = 0;               // of it; the sink was told
  bool stopped_ = false;               // AfterFault::kStop
};

}  // namespace faultline::vmm::fuzz
