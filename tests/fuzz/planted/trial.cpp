#include "tests/fuzz/planted/trial.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstring>
#include <new>

#include "mmu/base/check.hpp"

namespace faultline::test {

using vmm::fuzz::Judge;
using vmm::fuzz::Program;

std::size_t planted_now = kNoMistake;

namespace {

constexpr unsigned kSecondsOfOneProgram = 5;

void put(std::array<char, 200>& to, const std::string& text) {
  to = {};
  text.copy(to.data(), to.size() - 1);
}

Result<std::unique_ptr<Judge>> make_second(Against against) {
  return against == Against::kLinux ? vmm::fuzz::make_host() : vmm::fuzz::make_reference();
}

}  // namespace

// What a child leaves for its parent.
struct Trials::Shared {
  std::uint64_t number;  // of the program under judgement
  bool differs, host_failed;
  std::array<char, 200> judges, field, values;
};

Trials::Trials(std::unique_ptr<Judge> model, Against against) : against_(against), model_(std::move(model)) {
  void* page = ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  FL_CHECK(page != MAP_FAILED);
  shared_ = new (page) Shared{};
}

Trials::~Trials() { ::munmap(shared_, sizeof(Shared)); }

Result<std::unique_ptr<Trials>> Trials::create(Against against) {
  if (auto second = make_second(against); !second) return tl::unexpected(second.error());
  auto model = vmm::fuzz::make_model();
  if (!model) return tl::unexpected(model.error());
  return std::unique_ptr<Trials>(new Trials(std::move(*model), against));
}

Program Trials::program_of(std::uint64_t number) {
  std::mt19937_64 random(number);
  Program program = vmm::fuzz::generate(random, {.operations = static_cast<unsigned>(6 + number % 20)});
  // The reference stops at what it can't follow.
  std::erase_if(program.operations, [](const auto& o) { return (row(o.op).judges & vmm::fuzz::kReference) == 0; });
  return program;
}

std::optional<Finding> Trials::judge(const Program& program) {
  const auto a = model_->run(program), b = second_->run(program);
  shared_->host_failed = !a || !b;
  if (shared_->host_failed) return std::nullopt;
  const auto d = compare(program, *a, *b);
  if (!d) return std::nullopt;
  return Finding{d->first + "/" + d->second, d->field, d->first_value + " | " + d->second_value};
}

Trials::Ended Trials::in_child(std::size_t mistake, const std::function<void()>& work) {
  *shared_ = {};
  std::fflush(nullptr);
  const pid_t child = ::fork();
  FL_CHECK(child >= 0);
  if (child == 0) {
    const rlimit no_core{0, 0};
    ::setrlimit(RLIMIT_CORE, &no_core);
    const int nowhere = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
    ::dup2(nowhere, STDERR_FILENO);  // the last words of a failed check
    std::signal(SIGABRT, SIG_DFL);
    ::alarm(kSecondsOfOneProgram);
    auto second = make_second(against_);
    shared_->host_failed = !second;
    if (!second) ::_exit(1);
    second_ = std::move(*second);
    planted_now = mistake;
    work();
    second_.reset();
    ::_exit(0);
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  FL_CHECK(!shared_->host_failed);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return Ended::kWell;
  return WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM ? Ended::kHang : Ended::kCrash;
}

std::optional<Finding> Trials::finding(Ended ended) const {
  if (ended == Ended::kCrash) return Finding{"model", "crash", ""};
  if (ended == Ended::kHang) return Finding{"model", "hang", ""};
  if (!shared_->differs) return std::nullopt;
  return Finding{shared_->judges.data(), shared_->field.data(), shared_->values.data()};
}

std::optional<Finding> Trials::run(std::size_t mistake, const Program& program) {
  return finding(in_child(mistake, [&] {
    const auto found = judge(program);
    if (!found) return;
    put(shared_->judges, found->judges);
    put(shared_->field, found->field);
    put(shared_->values, found->values);
    shared_->differs = true;
  }));
}

void Trials::search_from(std::uint64_t number, std::chrono::steady_clock::time_point end) {
  for (; std::chrono::steady_clock::now() < end; ++number) {
    shared_->number = number;
    ::alarm(kSecondsOfOneProgram);
    shared_->differs = judge(program_of(number)).has_value();
    if (shared_->differs || shared_->host_failed) return;
  }
}

std::optional<Found> Trials::search(std::size_t mistake, std::chrono::seconds limit) {
  const auto end = std::chrono::steady_clock::now() + limit;
  std::uint64_t next = 0;
  while (std::chrono::steady_clock::now() < end) {
    const Ended ended = in_child(mistake, [&] { search_from(next, end); });
    if (ended == Ended::kWell && !shared_->differs) break;
    const std::uint64_t number = shared_->number;
    next = number + 1;
    Program program = program_of(number);
    // By itself, and without the mistake: it is the mistake that shows, and in this program.
    auto alone = run(mistake, program);
    if (alone && !run(kNoMistake, program)) return Found{std::move(program), std::move(*alone), next};
  }
  return std::nullopt;
}

}  // namespace faultline::test
