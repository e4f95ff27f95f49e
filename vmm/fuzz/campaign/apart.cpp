#include "vmm/fuzz/campaign/apart.hpp"

#include <utility>

#include "vmm/host/clock.hpp"

namespace faultline::vmm::fuzz {

Apart::Apart(std::unique_ptr<Judge> judge, Told told)
    : judge_(std::move(judge)), name_(judge_->name()), kind_(judge_->kind()), told_(std::move(told)), thread_([this] {
        work();
      }) {}

Apart::~Apart() {
  {
    const std::lock_guard guard(lock_);
    over_ = true;
  }
  more_.notify_one();
  thread_.join();
}

Result<Trace> Apart::run(const Program& program) {
  std::promise<Result<Trace>> promise;
  begin([&](Judge& judge) {
    auto trace = judge.run(program);
    if (trace && told_) told_(trace->guest);
    promise.set_value(std::move(trace));
  });
  return promise.get_future().get();
}

void Apart::begin(std::function<void(Judge&)> work) {
  {
    const std::lock_guard guard(lock_);
    begun_.push_back(std::move(work));
  }
  more_.notify_one();
}

std::uint64_t Apart::take_idle_ns() { return std::exchange(idle_ns_, 0); }

void Apart::work() {
  for (;;) {
    std::function<void(Judge&)> next;
    {
      std::unique_lock guard(lock_);
      if (begun_.empty() && !over_) {
        const TimeIn idle(idle_ns_);
        more_.wait(guard, [this] { return !begun_.empty() || over_; });
      }
      if (begun_.empty()) return;
      next = std::move(begun_.front());
      begun_.pop_front();
    }
    next(*judge_);
  }
}

}  // namespace faultline::vmm::fuzz
