#include "vmm/kvm/kick_signal.hpp"

#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

namespace faultline::vmm::kvm {
namespace {

int kick_signal() { return SIGRTMIN + 3; }

}  // namespace

void install_kick_signal() {
  struct sigaction action {};
  action.sa_handler = [](int) {};
  ::sigemptyset(&action.sa_mask);
  ::sigaction(kick_signal(), &action, nullptr);
}

void unblock_kick_signal() {
  sigset_t set;
  ::sigemptyset(&set);
  ::sigaddset(&set, kick_signal());
  ::pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

void kick_out(kvm_run& run, const std::atomic<pid_t>& thread) {
  std::atomic_ref(run.immediate_exit).store(1, std::memory_order_seq_cst);
  const pid_t target = thread.load(std::memory_order_seq_cst);
  // A signal to the calling thread itself is pending or being handled already.
  if (target == 0 || target == static_cast<pid_t>(::syscall(SYS_gettid))) return;
  const int saved = errno;
  ::syscall(SYS_tgkill, ::getpid(), target, kick_signal());
  errno = saved;
}

}  // namespace faultline::vmm::kvm
