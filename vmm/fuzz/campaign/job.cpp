#include "vmm/fuzz/campaign/job.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/lsan_interface.h>
#endif

namespace faultline::vmm::fuzz {

namespace {

// Memory that nobody holds any more is a finding too, where the build can tell.
int leaks() {
#if defined(__SANITIZE_ADDRESS__)
  return __lsan_do_recoverable_leak_check();
#else
  return 0;
#endif
}

constexpr int kLeaked = 78;

[[noreturn]] void child(pid_t parent, int said, const std::function<int()>& work) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(0);
  // The parent is told, and tells us.
  ::signal(SIGINT, SIG_IGN);
  ::signal(SIGTERM, SIG_IGN);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::dup2(said, STDERR_FILENO);
  const int status = work();
  ::_exit(status == 0 && leaks() != 0 ? kLeaked : status);
}

}  // namespace

Result<Job> Job::create(const CampaignDirectory& directory, unsigned number) {
  auto running = RunningProgram::create(directory.running(), number);
  if (!running) return tl::unexpected(running.error());
  return Job(std::move(*running));
}

Result<void> Job::start(const std::function<int(RunningProgram&, MessageWriter)>& work) {
  std::array<int, 2> pipe{};
  if (::pipe2(pipe.data(), O_CLOEXEC) != 0) return fail(fmt::format("a job's pipe: {}", std::strerror(errno)));
  messages_ = FileDescriptor(pipe[0]);
  FileDescriptor writer(pipe[1]);
  stderr_ = FileDescriptor(::memfd_create("standard error of a job", MFD_CLOEXEC));
  ::fcntl(messages_.get(), F_SETFL, O_NONBLOCK);
  reader_.emplace(messages_.get());
  for (std::size_t place = 0; place < RunningProgram::kPlaces; ++place) {
    running_.clear(place);
    running_.set_judge("", place);
  }
  hung_ = false;
  turn_ = running_.turn();
  since_ = std::chrono::steady_clock::now();
  const pid_t parent = ::getpid();
  pid_ = ::fork();
  if (pid_ < 0) return fail(fmt::format("a job's process: {}", std::strerror(errno)));
  if (pid_ == 0) child(parent, stderr_.get(), [&] { return work(running_, MessageWriter(writer.get())); });
  return {};
}

void Job::drain(const MessageReader::Handler& handler) {
  if (reader_) reader_->drain(handler);
}

void Job::kill() const {
  if (alive()) ::kill(pid_, SIGKILL);
}

std::optional<Job::End> Job::poll(std::chrono::seconds patience) {
  End end;
  const pid_t ended = ::waitpid(pid_, &end.wait_status, WNOHANG);
  if (ended == pid_) {
    pid_ = -1;
    end.hung = hung_;
    return end;
  }
  const auto now = std::chrono::steady_clock::now();
  if (running_.turn() != turn_) {
    turn_ = running_.turn();
    since_ = now;
  } else if (now - since_ > patience && !hung_) {
    hung_ = true;
    kill();
  }
  return std::nullopt;
}

std::string Job::said() const {
  std::array<char, 4096> text{};
  const ssize_t n = ::pread(stderr_.get(), text.data(), text.size(), 0);
  return {text.data(), n > 0 ? static_cast<std::size_t>(n) : 0};
}

std::optional<Death> Job::death(const End& end) const {
  auto suspects = running_.entries();
  if (suspects.empty()) return std::nullopt;
  const bool killed = !end.hung && WIFSIGNALED(end.wait_status) && WTERMSIG(end.wait_status) == SIGKILL;
  return Death{std::move(suspects), describe_death(end.wait_status, said(), end.hung), killed};
}

}  // namespace faultline::vmm::fuzz
