#include "tests/support/process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>

namespace faultline::test {
namespace {

// Standard streams are memfds: no pipe can fill up, and a program sees a plain file on both sides.
class Stream {
 public:
  Stream() : fd_(memfd_create("stream", MFD_CLOEXEC)) {}
  ~Stream() { ::close(fd_); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  void fill(const std::string& bytes) const {
    for (std::size_t done = 0; done < bytes.size();) {
      const ssize_t n = ::pwrite(fd_, bytes.data() + done, bytes.size() - done, static_cast<off_t>(done));
      if (n <= 0) return;
      done += static_cast<std::size_t>(n);
    }
  }

  [[nodiscard]] std::string contents() const {
    std::string all(static_cast<std::size_t>(::lseek(fd_, 0, SEEK_END)), '\0');
    for (std::size_t done = 0; done < all.size();) {
      const ssize_t n = ::pread(fd_, all.data() + done, all.size() - done, static_cast<off_t>(done));
      if (n <= 0) break;
      done += static_cast<std::size_t>(n);
    }
    return all;
  }

  [[nodiscard]] int fd() const { return fd_; }

 private:
  int fd_;
};

void become_oracle() {
  ::personality(ADDR_NO_RANDOMIZE);
  ::prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
  cpu_set_t one;
  if (::sched_getaffinity(0, sizeof one, &one) != 0) return;
  int cpu = 0;
  while (CPU_ISSET(cpu, &one) == 0) ++cpu;
  CPU_ZERO(&one);
  CPU_SET(cpu, &one);
  ::sched_setaffinity(0, sizeof one, &one);
}

std::vector<char*> pointers(const std::vector<std::string>& strings) {
  std::vector<char*> result;
  for (const auto& s : strings) result.push_back(const_cast<char*>(s.c_str()));
  result.push_back(nullptr);
  return result;
}

[[noreturn]] void exec_child(const ProcessRequest& request, const std::array<Stream, 3>& streams, char* const* argv,
                             char* const* environment) {
  ::setpgid(0, 0);
  for (int i = 0; i < 3; ++i) ::dup2(streams[static_cast<std::size_t>(i)].fd(), i);
  if (!request.folder.empty() && ::chdir(request.folder.c_str()) != 0) ::_exit(125);
  if (request.conditions == Conditions::kOracle) become_oracle();
  if (request.before_exec) ::raise(SIGSTOP);
  ::execve(argv[0], argv, environment);
  ::_exit(errno == ENOENT ? 127 : 126);
}

// The child has stopped itself, or is gone.
void release_after(pid_t pid, const std::function<void(pid_t)>& action) {
  siginfo_t state{};
  ::waitid(P_PID, static_cast<id_t>(pid), &state, WSTOPPED | WEXITED | WNOWAIT);
  if (state.si_code != CLD_STOPPED) return;
  action(pid);
  ::kill(pid, SIGCONT);
}

// Waits for the end; past the time limit the whole process group is killed first.
void wait_for(pid_t pid, std::chrono::seconds timeout, ProcessResult& result) {
  const int handle = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
  pollfd ended{handle, POLLIN, 0};
  const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(timeout).count();
  if (::poll(&ended, 1, static_cast<int>(milliseconds)) == 0) {
    result.timed_out = true;
    ::kill(-pid, SIGKILL);
  }
  ::close(handle);
  int status = 0;
  ::waitpid(pid, &status, 0);
  result.status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace

ProcessResult run_process(const ProcessRequest& request) {
  const std::array<Stream, 3> streams;
  streams[0].fill(request.stdin_bytes);
  const auto argv = pointers(request.argv);
  const auto environment = pointers(request.environment);

  const pid_t pid = ::fork();
  if (pid == 0) exec_child(request, streams, argv.data(), environment.data());
  if (request.before_exec) release_after(pid, request.before_exec);
  ProcessResult result;
  wait_for(pid, request.timeout, result);
  result.out = streams[1].contents();
  result.err = streams[2].contents();
  return result;
}

std::string why_no_kvm() {
  const int fd = ::open("/dev/kvm", O_RDWR | O_CLOEXEC);
  if (fd < 0) return std::string("needs KVM: /dev/kvm: ") + std::strerror(errno);
  ::close(fd);
  return {};
}

}  // namespace faultline::test
