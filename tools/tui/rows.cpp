#include "tools/tui/rows.hpp"

#include <algorithm>
#include <utility>

namespace faultline::tui {

namespace {
constexpr unsigned kBetweenQuestions = 64;  // events
}

void Rows::narrow(Query query) {
  query_ = std::move(query);
  numbers_.clear();
  next_ = events_.first();
}

bool Rows::scan(const std::function<bool()>& keep_going) {
  for (unsigned n = 1; !complete(); ++n, ++next_) {
    if (n % kBetweenQuestions == 0 && !keep_going()) return true;
    const vmm::recording::Event* event = events_.at(next_);
    if (event != nullptr && query_.matches(*event)) numbers_.push_back(next_);
  }
  return false;
}

unsigned Rows::progress() const {
  if (complete()) return 100;
  return static_cast<unsigned>((next_ - events_.first()) * 100 / (events_.last() - events_.first() + 1));
}

std::size_t Rows::count() const {
  if (narrowed()) return numbers_.size();
  return events_.last() == 0 ? 0 : events_.last() - events_.first() + 1;
}

std::uint64_t Rows::number(std::size_t row) const { return narrowed() ? numbers_[row] : events_.first() + row; }

std::size_t Rows::find(std::uint64_t number) const {
  if (narrowed()) return static_cast<std::size_t>(std::ranges::lower_bound(numbers_, number) - numbers_.begin());
  return std::min<std::uint64_t>(number - std::min(number, events_.first()), count());
}

}  // namespace faultline::tui
