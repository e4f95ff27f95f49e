// The runner: waits for programs, starts process 0 of each, and sees to it that of none anything
// is left.
#include <poll.h>
#include <signal.h>

#include "vmm/fuzz/host/runner/runner.hpp"
#include "vmm/fuzz/host/runner/syscalls.hpp"

namespace faultline::vmm::fuzz::host {

namespace {

constexpr int kFutexWait = 0, kFutexWake = 1, kNoHang = 1;

void wake_with(State state) {
  shared().state.store(state);
  futex_wake(&shared().state);
}

void pass_turn() {
  Shared& s = shared();
  for (std::uint32_t i = 0; i < kMaxProcesses; ++i) {
    if (s.slots[i].life != Life::kAlive) continue;
    s.turn.store(i);
    return futex_wake(&s.turn);
  }
}

// Its memory is gone: that is before a parent hears of the end.
void ended(std::uint32_t pid, int status) {
  Shared& s = shared();
  for (Slot& slot : s.slots) {
    if (slot.pid != pid) continue;
    const bool meant = slot.life == Life::kExiting && status == 0;
    slot = {};
    if (meant) return pass_turn();
  }
  if (s.state.load() != State::kRunning) return;
  s.failure_detail = static_cast<std::uint64_t>(status);
  wake_with(State::kLost);
}

void reap() {
  int status = 0;
  for (std::int64_t pid = 0; (pid = call(__NR_wait4, -1, &status, kNoHang, 0)) > 0;) {
    ended(static_cast<std::uint32_t>(pid), status);
  }
}

void end_program() {
  Shared& s = shared();
  for (Slot& slot : s.slots) {
    if (slot.pid != 0) call(__NR_kill, slot.pid, SIGKILL);
  }
  while (call(__NR_wait4, -1, 0, 0, 0) > 0) {
  }
  for (Slot& slot : s.slots) slot = {};
}

void start_program() {
  Shared& s = shared();
  s.turn.store(0);
  s.step = 0;
  s.armed = s.faults_lost = false;
  s.fault_count = 0;
  skip_faults();
  if (const std::int64_t pid = start_process(0, SIGCHLD); pid < 0) give_up("start a process", pid);
}

}  // namespace

void futex_wait(const void* futex, std::uint32_t value) { call(__NR_futex, futex, kFutexWait, value, 0); }
void futex_wake(const void* futex) { call(__NR_futex, futex, kFutexWake, 0x7fff'ffff); }

std::int64_t start_process(std::uint32_t number, std::uint64_t flags) {
  Shared& s = shared();
  s.slots[number] = {0, Life::kAlive};
  const std::int64_t pid = clone_process(flags, number, word(s.stacks[number + 1]));
  // The child may have gone far by now: its state is its own. It writes the same number.
  if (pid > 0) s.slots[number].pid = static_cast<std::uint32_t>(pid);
  if (pid < 0) s.slots[number] = {};
  return pid;
}

extern "C" void runner_main() {
  set_up();
  wake_with(State::kIdle);
  const std::uint64_t no_signals = 0;  // blocked: SIGCHLD ends the wait
  for (;;) {
    pollfd control{.fd = kControlFd, .events = POLLIN, .revents = 0};
    call(__NR_ppoll, &control, 1, 0, &no_signals, sizeof no_signals);
    reap();
    if (control.revents == 0) continue;
    char command = 0;
    if (call(__NR_read, kControlFd, &command, 1) != 1) break;  // the controller is gone
    if (command == 'R') {
      start_program();
    } else {
      end_program();
      wake_with(State::kIdle);
    }
  }
  end_program();
  call(__NR_exit_group, 0);
  __builtin_unreachable();
}

// The compiler may call it.
extern "C" void __stack_chk_fail() { __builtin_trap(); }

}  // namespace faultline::vmm::fuzz::host
