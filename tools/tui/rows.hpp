// The rows of the list: all events, or the numbers of those that a query lets pass, found little by
// little so that the view never waits for them.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "tools/tui/events.hpp"
#include "tools/tui/query.hpp"

namespace faultline::tui {

class Rows {
 public:
  explicit Rows(Events& events) : events_(events), next_(events.first()) {}

  // Begins anew with this query.
  void narrow(Query query);
  [[nodiscard]] bool narrowed() const { return query_.any(); }

  // Looks at more events until `keep_going` says no; asks it every few. True: some are left.
  bool scan(const std::function<bool()>& keep_going);
  [[nodiscard]] bool complete() const { return !narrowed() || next_ == 0 || next_ > events_.last(); }
  // Of the scan, in percent.
  [[nodiscard]] unsigned progress() const;

  [[nodiscard]] std::size_t count() const;
  // Precondition: row < count().
  [[nodiscard]] std::uint64_t number(std::size_t row) const;
  // The row of this event or of the first after it; count() when there is none (yet).
  [[nodiscard]] std::size_t find(std::uint64_t number) const;

 private:
  Events& events_;
  Query query_;
  std::uint64_t next_;  // the event that the scan looks at next
  std::vector<std::uint64_t> numbers_;
};

}  // namespace faultline::tui
