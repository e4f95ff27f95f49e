// Runs programs with a mistake switched on, in child processes: a mistake may well abort, or
// never end. Every trial starts from judges that have judged nothing yet.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "tests/fuzz/planted/mistakes.hpp"
#include "tests/fuzz/planted/planted.hpp"
#include "vmm/fuzz/generate.hpp"
#include "vmm/fuzz/judge.hpp"

namespace faultline::test {

// What two judges made of a program.
struct Finding {
  std::string judges;  // "model/reference", or "crash" or "hang" of the first
  std::string field, values;
};

// What a search came to.
struct Found {
  vmm::fuzz::Program program;
  Finding finding;
  std::uint64_t programs = 0;  // judged until then
};

class Trials {
 public:
  // Of the model's processor against `against`. Error: that judge can't be had here.
  static Result<std::unique_ptr<Trials>> create(Against against);
  ~Trials();
  Trials(const Trials&) = delete;
  Trials& operator=(const Trials&) = delete;

  // Nothing: they agree.
  std::optional<Finding> run(std::size_t mistake, const vmm::fuzz::Program& program);
  // The first generated program on which they disagree with the mistake, and agree without it.
  std::optional<Found> search(std::size_t mistake, std::chrono::seconds limit);
  // The program that search() judges at `number`.
  static vmm::fuzz::Program program_of(std::uint64_t number);

 private:
  struct Shared;
  enum class Ended : char { kWell, kCrash, kHang };

  Trials(std::unique_ptr<vmm::fuzz::Judge> model, Against against);
  std::optional<Finding> judge(const vmm::fuzz::Program& program);
  Ended in_child(std::size_t mistake, const std::function<void()>& work);
  void search_from(std::uint64_t number, std::chrono::steady_clock::time_point end);
  [[nodiscard]] std::optional<Finding> finding(Ended ended) const;

  const Against against_;
  std::unique_ptr<vmm::fuzz::Judge> model_, second_;  // the second made in each child: it may have children itself
  Shared* shared_;
};

}  // namespace faultline::test
