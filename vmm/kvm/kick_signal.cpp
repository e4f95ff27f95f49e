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

void send_kick_signal(pid_t thread) {
  const int saved = errno;
  ::syscall(SYS_tgkill, ::getpid(), thread, kick_signal());
  errno = saved;
}

}  // namespace faultline::vmm::kvm
