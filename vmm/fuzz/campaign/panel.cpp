#include "vmm/fuzz/campaign/panel.hpp"

#include <algorithm>

#include "mmu/base/check.hpp"

namespace faultline::vmm::fuzz {

Panel::Panel(Judges judges, Tally& tally, RunningProgram* running)
    : judges_(std::move(judges)), tally_(tally), running_(running) {
  FL_CHECK(judges_.size() <= kMaxJudges);
  const auto machine = std::ranges::find(judges_, kMachine, [](const auto& judge) { return judge->kind(); });
  observer_ = static_cast<std::size_t>(machine - judges_.begin());
}

Opinion Panel::ask(std::size_t judge, const Program& program) {
  if (running_ != nullptr) running_->set_judge(judges_[judge]->name());
  const auto start = std::chrono::steady_clock::now();
  auto trace = judges_[judge]->run(program);
  const auto ns = (std::chrono::steady_clock::now() - start) / std::chrono::nanoseconds(1);
  tally_.judged(judge, static_cast<std::uint64_t>(ns), !trace);
  if (!trace) return {std::nullopt, trace.error().message};
  tally_.add(Count::kGuestNs, trace->guest_ns);
  return {std::move(*trace), {}};
}

void Panel::ask_all(const Program& program, bool host_too, std::vector<std::optional<Opinion>>& opinions) {
  opinions.resize(size());
  for (std::size_t i = 0; i < size(); ++i) {
    if (!opinions[i] && (host_too || !is_host(i))) opinions[i] = ask(i, program);
  }
}

}  // namespace faultline::vmm::fuzz
