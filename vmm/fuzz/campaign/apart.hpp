// A judge at work in a thread of its own: one that spends its time in a guest does so while the
// others judge, and while the next program is made.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "vmm/fuzz/judge.hpp"

namespace faultline::vmm::fuzz {

class Apart final : public Judge {
 public:
  // `told` hears, in the thread, what run() cost.
  using Told = std::function<void(const GuestCost&)>;
  explicit Apart(std::unique_ptr<Judge> judge, Told told = {});
  // Does first what was begun.
  ~Apart() override;

  [[nodiscard]] std::string_view name() const override { return name_; }
  [[nodiscard]] JudgeKind kind() const override { return kind_; }
  [[nodiscard]] bool has_guest() const override { return true; }
  // Waits for its turn, and for the end.
  Result<Trace> run(const Program& program) override;

  // Does `work` with the judge, in the thread, behind all that was begun before.
  void begin(std::function<void(Judge&)> work);
  // Nanoseconds since the last call that the thread had nothing to do for. Called by the thread's own work.
  std::uint64_t take_idle_ns();

 private:
  void work();

  std::unique_ptr<Judge> judge_;
  std::string name_;
  JudgeKind kind_;
  Told told_;
  std::uint64_t idle_ns_ = 0;
  std::mutex lock_;  // of what follows
  std::condition_variable more_;
  std::deque<std::function<void(Judge&)>> begun_;
  bool over_ = false;
  std::thread thread_;  // last: it uses all the others
};

}  // namespace faultline::vmm::fuzz
