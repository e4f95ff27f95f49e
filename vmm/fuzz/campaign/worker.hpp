// One job: makes programs, has them judged, keeps what shows something new, reports what is wrong.
#pragma once

#include <deque>
#include <functional>
#include <random>
#include <set>
#include <string>

#include "vmm/fuzz/campaign/corpus.hpp"
#include "vmm/fuzz/campaign/report.hpp"
#include "vmm/fuzz/coverage.hpp"

namespace faultline::vmm::fuzz {

// What a job begins with.
struct Start {
  std::uint64_t seed = 0;        // of this job's own random numbers
  Coverage coverage;             // what the campaign met already
  bool recount = false;          // the corpus is to be met anew: nobody counted it
  std::vector<Program> first;    // to be run before anything else
  std::set<std::string> banned;  // names of programs that killed a job: not run again
  std::function<bool()> time_is_up;
};

class Worker {
 public:
  Worker(const JobContext& job, Judges judges, Start start);
  // Until there is nothing left to do. Error: it cannot go on.
  Result<void> run();

 private:
  // A program, and which entry of the corpus it comes from.
  struct Candidate {
    Program program;
    std::optional<std::size_t> parent;
  };
  [[nodiscard]] bool stopped() const;
  Candidate next();
  Program fresh_program();
  // A program that judges are at work on; its examination waits for those that are apart.
  struct Pending {
    Candidate candidate;
    std::vector<std::optional<Opinion>> opinions;
    Panel::Awaited awaited;
    bool relate = false;
  };
  // Everything that is done with a program, but what waits for judges apart: that is done in the same
  // order, when there are more than so many programs waiting.
  Result<void> judge(Candidate candidate);
  void finish(std::size_t most_left);
  // Now and then: one relation with one judge, in turn.
  void relate(const Program& program, const std::vector<std::optional<Opinion>>& opinions);
  Result<void> keep(const Program& program, std::size_t worth);
  // Features of a run that are new; the parent hears of them.
  std::size_t count_features(const Program& program, const Trace& trace);
  // Programs that others added since the last time.
  Result<void> take_over(bool meet);
  [[nodiscard]] bool usable(const Program& program) const;

  const JobContext& job_;
  std::deque<Pending> pending_;  // outlives the judges that are at work on it
  Panel panel_;
  Examiner examiner_;
  Reporter reporter_;
  Start start_;
  std::mt19937_64 random_;
  Corpus corpus_;
  std::uint64_t number_ = 0, related_ = 0;
  std::chrono::steady_clock::time_point looked_ = std::chrono::steady_clock::now();
};

}  // namespace faultline::vmm::fuzz
