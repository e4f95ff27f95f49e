// The judges of one job, at work on a program.
#pragma once

#include <cstddef>
#include <deque>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "vmm/fuzz/campaign/apart.hpp"
#include "vmm/fuzz/campaign/running_program.hpp"
#include "vmm/fuzz/campaign/settings.hpp"
#include "vmm/fuzz/campaign/tally.hpp"

namespace faultline::vmm::fuzz {

// Of one judge about one program: a trace, or why there is none.
struct Opinion {
  std::optional<Trace> trace;
  std::string error;
};

// Whether judges that have a guest get a thread each, the observer aside.
enum class Guests : std::uint8_t { kHere, kApart };

class Panel {
 public:
  // Both outlive it. `running` may be null.
  Panel(Judges judges, Tally& tally, RunningProgram* running, Guests guests = Guests::kHere);

  [[nodiscard]] std::size_t size() const { return judges_.size(); }
  [[nodiscard]] Judge& judge(std::size_t i) { return *judges_[i]; }
  [[nodiscard]] bool is_host(std::size_t i) const { return judges_[i]->kind() == kHost; }
  // The judge whose features count: the first with page tables. size(): there is none.
  [[nodiscard]] std::size_t observer() const { return observer_; }

  Opinion ask(std::size_t judge, const Program& program);
  // Asks those that were not asked yet and are not apart; the host only if `host_too`.
  void ask_here(const Program& program, bool host_too, std::vector<std::optional<Opinion>>& opinions);

  // Opinions to come, by judge; invalid: of one that is not apart.
  using Awaited = std::vector<std::future<Opinion>>;
  // Asks those that are apart, and does not wait. `program` outlives their answers.
  Awaited begin(const Program& program);
  [[nodiscard]] bool any_apart() const;

 private:
  void count(const GuestCost& cost);
  Opinion timed(std::size_t judge, Judge& by, const Program& program);
  std::future<Opinion> begin(std::size_t judge, const Program& program);

  // Programs that a judge apart was asked about and is not at work on.
  struct Asked {
    const Program* program;
    std::promise<Opinion> answer;
  };
  struct Waiting {
    std::size_t place;  // of RunningProgram: its first
    std::mutex lock;    // of what follows
    std::deque<Asked> asked;
    std::vector<Asked> take(std::size_t most);
  };
  // In the judge's thread: about as many of those that wait as it can take at once.
  void answer_waiting(std::size_t judge, Judge& by);
  std::vector<Opinion> timed(std::size_t judge, Judge& by, std::span<const Program* const> programs);

  Tally& tally_;
  RunningProgram* running_;
  std::size_t observer_;
  // By judge; null: it works here. The threads end before what they use.
  std::vector<std::unique_ptr<Waiting>> waiting_;
  std::vector<Apart*> apart_;
  Judges judges_;
};

}  // namespace faultline::vmm::fuzz
