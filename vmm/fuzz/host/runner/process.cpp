// A process of the program that is run: makes steps while it is its turn.
#include <linux/mman.h>
#include <linux/prctl.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>

#include "vmm/fuzz/around.hpp"
#include "vmm/fuzz/host/runner/runner.hpp"
#include "vmm/fuzz/host/runner/syscalls.hpp"
#include "vmm/fuzz/layout.hpp"

namespace faultline::vmm::fuzz::host {

namespace {

// What the steps use is mapped before them, so that none has a fault of the judge's own.
extern "C" const char __ehdr_start[], _end[];
void touch_own_pages() {
  Shared& s = shared();
  const std::uint64_t image = word(__ehdr_start) & ~4095ULL;
  call(__NR_madvise, image, ((word(_end) + 4095) & ~4095ULL) - image, kPopulateRead);
  const std::uint64_t first_part = (word(&s.seen[s.steps]) + 4095 - kSharedAt) & ~4095ULL;
  call(__NR_madvise, kSharedAt, first_part, kPopulateWrite);
  const std::uint64_t rest = word(s.resident);
  call(__NR_madvise, rest, word(s.scratch) - rest, kPopulateWrite);
  s.scratch[0] = s.scratch[sizeof s.scratch - 1] = 1;
}

// A call that makes an entry writable (mlock, MADV_POPULATE_WRITE, a copy to user memory) leaves what
// the processor has cached of it, and the next write may or may not take a spurious fault. So nothing
// is left cached: less write access to both ends of an area of many pages flushes all.
void forget_translations() {
  Shared& s = shared();
  call(__NR_mprotect, word(s.scratch), sizeof s.scratch, PROT_READ);
  call(__NR_mprotect, word(s.scratch), sizeof s.scratch, PROT_READ | PROT_WRITE);
}

rusage usage() {
  rusage now;
  call(__NR_getrusage, 1 /* RUSAGE_THREAD */, &now);
  return now;
}

// What is the runner's own is a hole to programs: madvise and msync walk on behind holes, and tell of
// them at the end.
std::int64_t call_around(const Step& step) {
  const auto& a = step.args;
  const bool at_first_hole = step.number == __NR_madvise && ends_at_holes(static_cast<int>(a[2]));
  return result_around(call(step.number, a[0], a[1], a[2]), at_first_hole,
                       [&] { return call(step.number, a[3], a[4], a[2]); });
}

std::int64_t fork() {
  Shared& s = shared();
  std::uint32_t number = 0;
  while (number < kMaxProcesses && s.slots[number].life != Life::kNone) ++number;
  if (number == kMaxProcesses) return -11;  // EAGAIN
  const std::int64_t pid = start_process(number, CLONE_PARENT | SIGCHLD);
  return pid < 0 ? pid : number;
}

bool alive(std::uint64_t number) { return number < kMaxProcesses && shared().slots[number].life == Life::kAlive; }

unsigned alive_count() {
  unsigned count = 0;
  for (unsigned i = 0; i < kMaxProcesses; ++i) count += alive(i) ? 1 : 0;
  return count;
}

// The runner passes the turn on once this process is gone.
void exit_from(std::uint32_t number) {
  Shared& s = shared();
  s.slots[number].life = Life::kExiting;
  ++s.step;
  call(__NR_exit_group, 0);
}

void make_step(const Step& step, Seen& seen) {
  switch (step.kind) {
    case Kind::kCall: {
      const auto& a = step.args;
      seen.result = call6(step.number, a[0], a[1], a[2], a[3], a[4], a[5]);
      return;
    }
    case Kind::kAround: seen.result = call_around(step); return;
    case Kind::kFork: seen.result = fork(); return;
    case Kind::kExit: seen.result = alive_count() == 1 ? -1 : 0; return;     // EPERM
    case Kind::kSwitch: seen.result = alive(step.args[0]) ? 0 : -3; return;  // ESRCH
    default: make_access(step, seen);
  }
}

void count_around(const Step& step, Seen& seen) {
  skip_faults();
  const rusage before = usage();
  make_step(step, seen);
  const rusage after = usage();
  if (step.kind == Kind::kCall || step.kind == Kind::kAround) forget_translations();
  seen.minor = static_cast<std::uint32_t>(after.ru_minflt - before.ru_minflt);
  seen.major = static_cast<std::uint32_t>(after.ru_majflt - before.ru_majflt);
  take_faults(seen);
  if (step.number == __NR_mincore && seen.result == 0) {
    seen.bytes_count = step.width;
    for (unsigned i = 0; i < step.width; ++i) seen.bytes[i] = shared().resident[i] & 1;
  }
}

// Until it is another's turn, or all is done.
void make_steps(std::uint32_t number) {
  Shared& s = shared();
  while (s.step < s.steps) {
    const Step& step = s.program[s.step];
    Seen& seen = s.seen[s.step];
    count_around(step, seen);
    if (step.kind == Kind::kExit && seen.result == 0) exit_from(number);
    ++s.step;
    if (step.kind == Kind::kSwitch && seen.result == 0 && step.args[0] != number) {
      s.turn.store(static_cast<std::uint32_t>(step.args[0]));
      return futex_wake(&s.turn);
    }
  }
  s.turn.store(kMaxProcesses);  // nobody's
  s.state.store(State::kFinished);
  futex_wake(&s.state);
}

}  // namespace

extern "C" void process_main(std::uint32_t number) {
  Shared& s = shared();
  s.slots[number].pid = static_cast<std::uint32_t>(call(__NR_getpid));
  call(__NR_prctl, PR_SET_PDEATHSIG, SIGKILL);
  if (call(__NR_getppid) != s.runner) call(__NR_exit_group, 1);
  touch_own_pages();
  map_ring();
  for (;;) {
    const std::uint32_t turn = s.turn.load();
    if (turn == number) {
      make_steps(number);
    } else {
      futex_wait(&s.turn, turn);
    }
  }
}

}  // namespace faultline::vmm::fuzz::host
