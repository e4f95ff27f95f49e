#include "vmm/fuzz/campaign/panel.hpp"

#include <algorithm>

#include "mmu/base/check.hpp"

namespace faultline::vmm::fuzz {

Panel::Panel(Judges judges, Tally& tally, RunningProgram* running, Guests guests)
    : judges_(std::move(judges)), tally_(tally), running_(running), apart_(judges_.size()) {
  FL_CHECK(judges_.size() <= kMaxJudges);
  const auto machine = std::ranges::find(judges_, kMachine, [](const auto& judge) { return judge->kind(); });
  observer_ = static_cast<std::size_t>(machine - judges_.begin());
  if (guests == Guests::kHere) return;
  std::size_t places = 1;
  for (std::size_t i = 0; i < judges_.size(); ++i) {
    if (i == observer_ || !judges_[i]->has_guest() || places++ == RunningProgram::kPlaces) continue;
    auto apart = std::make_unique<Apart>(std::move(judges_[i]), [this](const GuestCost& cost) { count(cost); });
    apart_[i] = apart.get();
    judges_[i] = std::move(apart);
  }
}

bool Panel::any_apart() const {
  return std::ranges::any_of(apart_, [](const Apart* apart) { return apart != nullptr; });
}

void Panel::count(const GuestCost& cost) {
  tally_.add(Count::kGuestNs, cost.inside_ns);
  tally_.add(Count::kControlNs, cost.control_ns);
  tally_.add(Count::kEntries, cost.entries);
  tally_.add(Count::kListEnds, cost.list_ends);
  tally_.add(Count::kDrops, cost.full_drops);
}

Opinion Panel::timed(std::size_t judge, Judge& by, const Program& program) {
  const std::uint64_t start = monotonic_ns();
  auto trace = by.run(program);
  tally_.judged(judge, monotonic_ns() - start, !trace);
  if (!trace) return {std::nullopt, trace.error().message};
  count(trace->guest);
  return {std::move(*trace), {}};
}

// Its place is free again when it has answered: what runs there then dies of itself, or of nothing.
std::future<Opinion> Panel::begin(std::size_t judge, const Program& program) {
  auto promise = std::make_shared<std::promise<Opinion>>();
  std::future<Opinion> opinion = promise->get_future();
  Apart& apart = *apart_[judge];
  const auto place =
      1 + static_cast<std::size_t>(std::count_if(apart_.begin(), apart_.begin() + static_cast<std::ptrdiff_t>(judge),
                                                 [](const Apart* before) { return before != nullptr; }));
  apart.begin([this, judge, place, promise, &program, &apart](Judge& by) {
    if (running_ != nullptr) {
      running_->set(program, place);
      running_->set_judge(by.name(), place);
    }
    tally_.add(Count::kGuestWaitNs, apart.take_idle_ns());
    Opinion answer = timed(judge, by, program);
    if (running_ != nullptr) running_->clear(place);
    promise->set_value(std::move(answer));
  });
  return opinion;
}

Panel::Awaited Panel::begin(const Program& program) {
  Awaited awaited(size());
  for (std::size_t i = 0; i < size(); ++i)
    if (apart_[i] != nullptr) awaited[i] = begin(i, program);
  return awaited;
}

Opinion Panel::ask(std::size_t judge, const Program& program) {
  if (apart_[judge] != nullptr) return begin(judge, program).get();
  if (running_ != nullptr) running_->set_judge(judges_[judge]->name());
  return timed(judge, *judges_[judge], program);
}

void Panel::ask_here(const Program& program, bool host_too, std::vector<std::optional<Opinion>>& opinions) {
  opinions.resize(size());
  for (std::size_t i = 0; i < size(); ++i) {
    if (apart_[i] == nullptr && !opinions[i] && (host_too || !is_host(i))) opinions[i] = ask(i, program);
  }
}

}  // namespace faultline::vmm::fuzz
