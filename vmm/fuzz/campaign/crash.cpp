#include "vmm/fuzz/campaign/crash.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "vmm/fuzz/signature.hpp"

namespace faultline::vmm::fuzz {

namespace {

// Runs the program in this process, which is there for nothing else.
[[noreturn]] void run_and_leave(const JudgeMaker& make_judges, const Program& program) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  const int null = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
  if (null >= 0) ::dup2(null, STDERR_FILENO);
  if (auto judges = make_judges()) {
    for (const auto& judge : *judges) static_cast<void>(judge->run(program));
    judges->clear();
  }
  ::_exit(0);
}

// Waits for its end through a descriptor of the process. Kills it when patience is at an end.
int wait_or_kill(pid_t pid, std::chrono::milliseconds patience) {
  const FileDescriptor process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  pollfd ended{process.get(), POLLIN, 0};
  int status = 0;
  if (::poll(&ended, 1, static_cast<int>(patience.count())) <= 0) ::kill(pid, SIGKILL);
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

}  // namespace

std::string describe_death(int wait_status, std::string_view said, bool hung) {
  std::string how;
  if (hung) {
    how = "did not come to an end";
  } else if (WIFSIGNALED(wait_status)) {
    how = fmt::format("killed by signal {} ({})", WTERMSIG(wait_status), ::strsignal(WTERMSIG(wait_status)));
  } else {
    how = fmt::format("left with status {}", WEXITSTATUS(wait_status));
  }
  // A sanitizer rules a line before it says anything.
  while (!said.empty()) {
    const std::string_view line = said.substr(0, said.find('\n'));
    said.remove_prefix(std::min(said.size(), line.size() + 1));
    if (!line.empty() && line.find_first_not_of('=') != std::string_view::npos) return fmt::format("{}: {}", how, line);
  }
  return how;
}

bool dies(const JudgeMaker& make_judges, const Program& program, std::chrono::milliseconds patience) {
  const pid_t pid = ::fork();
  if (pid < 0) return false;
  if (pid == 0) run_and_leave(make_judges, program);
  const int status = wait_or_kill(pid, patience);
  return !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}

void report_death(const JobContext& job, const JudgeMaker& make_judges, const Death& death) {
  // Each try starts judges anew, which takes its time.
  constexpr std::size_t kTries = 150;
  constexpr std::chrono::milliseconds kPatience{20'000};
  const auto does_again = [&](const RunningProgram::Entry& e) { return dies(make_judges, e.program, kPatience); };
  // One alone is asked only when it is no duplicate.
  auto culprit = death.suspects.begin();
  const bool several = death.suspects.size() > 1;
  if (several) culprit = std::ranges::find_if(death.suspects, does_again);
  const bool known_to_die = several && culprit != death.suspects.end();
  if (culprit == death.suspects.end()) culprit = death.suspects.begin();
  const Program& program = culprit->program;
  const std::string judge = culprit->judge.empty() ? "judge" : culprit->judge;
  const Disagreement what{judge, "answers", 0, "crash", death.how, "a trace"};
  if (!job.shared.claim_signature(signature_hash(signature(program, what, {})))) {
    job.tally.add(Count::kDuplicates);
    return;
  }
  Program smallest = program;
  if (known_to_die || (!several && does_again(*culprit))) {
    const TimeIn time(job.tally.sum(Count::kShrinkNs));
    const auto still = [&](const Program& candidate) {
      return !job.shared.stop.load() && dies(make_judges, candidate, kPatience);
    };
    smallest = shrink(program, still, {kTries, job.settings.shrink.time});
  } else if (death.killed) {
    job.tally.add(Count::kNoise);
    return;
  }
  const std::string key = signature(smallest, what, {});
  const bool fresh = key == signature(program, what, {}) || job.shared.claim_signature(signature_hash(key));
  if (!fresh) {
    job.tally.add(Count::kDuplicates);
    return;
  }
  write_down(job, program, smallest, what, {}, key);
}

}  // namespace faultline::vmm::fuzz
