#include "tools/tui/events.hpp"

#include <algorithm>
#include <optional>
#include <utility>

namespace faultline::tui {

const vmm::recording::Event* RecordedEvents::at(std::uint64_t number) {
  const std::uint64_t start = number - number % kRun;
  const auto known = std::ranges::find(runs_, start, &Run::start);
  const Run& run = known == runs_.end() ? load(start) : *known;
  const auto event = std::ranges::lower_bound(run.events, number, {}, &vmm::recording::Event::number);
  return event == run.events.end() || event->number != number ? nullptr : &*event;
}

const vmm::recording::Event* RecordedEvents::whole(std::uint64_t number) {
  if (!whole_ || whole_->number != number) {
    next_.reset();
    reader_.decode_instructions(true);
    reader_.seek(number);
    whole_ = reader_.next();
  }
  return whole_ && whole_->number == number ? &*whole_ : nullptr;
}

const RecordedEvents::Run& RecordedEvents::load(std::uint64_t start) {
  reader_.decode_instructions(false);
  if (next_ != start) reader_.seek(start);
  Run run{.start = start, .events = {}};
  if (runs_.size() == kRuns) {
    run.events = std::move(runs_.back().events);  // its memory is used again
    run.events.clear();
    runs_.pop_back();
  }
  next_.reset();
  while (run.events.size() < kRun) {
    std::optional<vmm::recording::Event> event = reader_.next();
    if (!event) break;
    if (event->number >= start + kRun) break;
    const bool last = event->number == start + kRun - 1;
    run.events.push_back(std::move(*event));
    if (last) {
      next_ = start + kRun;
      break;
    }
  }
  runs_.push_front(std::move(run));
  return runs_.front();
}

}  // namespace faultline::tui
