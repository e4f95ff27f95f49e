#include "vmm/fuzz/campaign/panel.hpp"

#include <algorithm>
#include <utility>

#include "mmu/base/check.hpp"
#include "vmm/host/clock.hpp"

namespace faultline::vmm::fuzz {

Panel::Panel(Judges judges, Tally& tally, RunningProgram* running, Guests guests)
    : tally_(tally), running_(running), waiting_(judges.size()), apart_(judges.size()), judges_(std::move(judges)) {
  FL_CHECK(judges_.size() <= kMaxJudges);
  const auto machine = std::ranges::find(judges_, kMachine, [](const auto& judge) { return judge->kind(); });
  observer_ = static_cast<std::size_t>(machine - judges_.begin());
  if (guests == Guests::kHere) return;
  std::size_t place = 1;
  for (std::size_t i = 0; i < judges_.size(); ++i) {
    if (i == observer_ || !judges_[i]->has_guest() || place == RunningProgram::kPlaces) continue;
    waiting_[i] = std::make_unique<Waiting>();
    waiting_[i]->place = std::exchange(place, place + RunningProgram::kTogether);
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
  tally_.add(Count::kInnerEnds, cost.steps);
  tally_.add(Count::kDrops, cost.full_drops);
}

std::vector<Opinion> Panel::timed(std::size_t judge, Judge& by, std::span<const Program* const> programs) {
  const std::uint64_t start = monotonic_ns();
  std::vector<Result<Trace>> traces = by.run_many(programs);
  const std::uint64_t each = (monotonic_ns() - start) / programs.size();
  std::vector<Opinion> opinions;
  for (Result<Trace>& trace : traces) {
    tally_.judged(judge, each, !trace);
    if (trace) count(trace->guest);
    opinions.push_back(trace ? Opinion{std::move(*trace), {}} : Opinion{std::nullopt, trace.error().message});
  }
  return opinions;
}

Opinion Panel::timed(std::size_t judge, Judge& by, const Program& program) {
  const Program* const one = &program;
  return std::move(timed(judge, by, std::span(&one, 1)).front());
}

std::vector<Panel::Asked> Panel::Waiting::take(std::size_t most) {
  const std::lock_guard guard(lock);
  std::vector<Asked> taken;
  for (; !asked.empty() && taken.size() < most; asked.pop_front()) taken.push_back(std::move(asked.front()));
  return taken;
}

// Places are free again when all are answered: what runs there then dies of itself, or of nothing.
void Panel::answer_waiting(std::size_t judge, Judge& by) {
  tally_.add(Count::kGuestWaitNs, apart_[judge]->take_idle_ns());
  Waiting& waiting = *waiting_[judge];
  std::vector<Asked> asked = waiting.take(std::min<std::size_t>(by.at_once(), RunningProgram::kTogether));
  if (asked.empty()) return;  // it was answered along with one before
  std::vector<const Program*> programs;
  for (const Asked& a : asked) {
    if (running_ != nullptr) {
      running_->set(*a.program, waiting.place + programs.size());
      running_->set_judge(by.name(), waiting.place + programs.size());
    }
    programs.push_back(a.program);
  }
  std::vector<Opinion> answers = timed(judge, by, programs);
  for (std::size_t i = 0; i < asked.size(); ++i) {
    if (running_ != nullptr) running_->clear(waiting.place + i);
  }
  for (std::size_t i = 0; i < asked.size(); ++i) asked[i].answer.set_value(std::move(answers[i]));
}

std::future<Opinion> Panel::begin(std::size_t judge, const Program& program) {
  std::future<Opinion> opinion;
  {
    const std::lock_guard guard(waiting_[judge]->lock);
    opinion = waiting_[judge]->asked.emplace_back(Asked{&program, {}}).answer.get_future();
  }
  apart_[judge]->begin([this, judge](Judge& by) { answer_waiting(judge, by); });
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
