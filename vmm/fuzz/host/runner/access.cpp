// Accesses: one instruction each, and the handler that ends those which get a signal.
#include <signal.h>
#include <ucontext.h>

#include "vmm/fuzz/host/runner/runner.hpp"
#include "vmm/fuzz/host/runner/syscalls.hpp"

namespace faultline::vmm::fuzz::host {

namespace {

constexpr std::uint64_t kTrapFlag = 0x100, kDirectionFlag = 0x400, kResumeFlag = 0x1'0000;

struct KernelAction {
  void (*handler)(int, siginfo_t*, void*);
  std::uint64_t flags;
  void (*restorer)();
  std::uint64_t mask;
};

void on_signal(int signal, siginfo_t* info, void* context) {
  Shared& s = shared();
  if (!s.armed) give_up("run a step: a signal outside an access", signal, word(info->si_addr));
  s.armed = false;
  auto& registers = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
  if (signal != SIGTRAP) {
    Seen& seen = s.seen[s.step];
    seen.signal = static_cast<std::uint32_t>(signal);
    seen.code = info->si_code;
    seen.address = word(info->si_addr);
    seen.error = static_cast<std::uint32_t>(registers[REG_ERR]);
  }
  registers[REG_RIP] = static_cast<greg_t>(word(&access_given_up));
  registers[REG_EFL] &= static_cast<greg_t>(~(kTrapFlag | kDirectionFlag | kResumeFlag));
}

template <class T>
void load(const Step& step, Seen& seen) {
  T value;
  asm volatile("mov (%1), %0" : "=r"(value) : "r"(step.args[0]) : "memory");
  __builtin_memcpy(seen.bytes, &value, sizeof value);
}
template <class T>
void store(const Step& step) {
  T value;
  __builtin_memcpy(&value, step.pattern, sizeof value);
  asm volatile("mov %0, (%1)" ::"r"(value), "r"(step.args[0]) : "memory");
}
template <class T>
void exchange(const Step& step, Seen& seen) {
  T value;
  __builtin_memcpy(&value, step.pattern, sizeof value);
  asm volatile("xchg %0, (%1)" : "+r"(value) : "r"(step.args[0]) : "memory");
  __builtin_memcpy(seen.bytes, &value, sizeof value);
}

void load16(const Step& step, Seen& seen) {
  asm volatile("movdqu (%0), %%xmm0\n\tmovdqu %%xmm0, (%1)" ::"r"(step.args[0]), "r"(seen.bytes) : "xmm0", "memory");
}
void store16(const Step& step) {
  asm volatile("movdqa (%0), %%xmm0\n\tmovdqu %%xmm0, (%1)" ::"r"(step.pattern), "r"(step.args[0]) : "xmm0", "memory");
}

void read(const Step& step, Seen& seen) {
  if (step.width == 1) return load<std::uint8_t>(step, seen);
  if (step.width == 2) return load<std::uint16_t>(step, seen);
  if (step.width == 4) return load<std::uint32_t>(step, seen);
  if (step.width == 8) return load<std::uint64_t>(step, seen);
  load16(step, seen);
}

void write(const Step& step) {
  if (step.width == 1) return store<std::uint8_t>(step);
  if (step.width == 2) return store<std::uint16_t>(step);
  if (step.width == 4) return store<std::uint32_t>(step);
  if (step.width == 8) return store<std::uint64_t>(step);
  store16(step);
}

void locked(const Step& step, Seen& seen) {
  if (step.width == 1) return exchange<std::uint8_t>(step, seen);
  if (step.width == 2) return exchange<std::uint16_t>(step, seen);
  if (step.width == 4) return exchange<std::uint32_t>(step, seen);
  exchange<std::uint64_t>(step, seen);
}

void modify(const Step& step) {
  const std::uint64_t at = step.args[0];
  if (step.width == 1) asm volatile("rolb $8, (%0)" ::"r"(at) : "memory", "cc");
  if (step.width == 2) asm volatile("rolw $8, (%0)" ::"r"(at) : "memory", "cc");
  if (step.width == 4) asm volatile("roll $8, (%0)" ::"r"(at) : "memory", "cc");
  if (step.width == 8) asm volatile("rolq $8, (%0)" ::"r"(at) : "memory", "cc");
}

void copy(const Step& step) {
  std::uint64_t from = step.args[0], count = step.args[1], to = step.args[2];
  asm volatile("rep movsb" : "+S"(from), "+D"(to), "+c"(count)::"memory");
}

void fill(const Step& step) {
  std::uint64_t at = step.args[0], count = step.args[1];
  asm volatile("rep stosb" : "+D"(at), "+c"(count) : "a"(step.pattern[0]) : "memory");
}

void make(const Step& step, Seen& seen) {
  switch (step.kind) {
    case Kind::kRead: return read(step, seen);
    case Kind::kWrite: return write(step);
    case Kind::kFetch: return single_step(step.args[0]);
    case Kind::kModify: return modify(step);
    case Kind::kLocked: return locked(step, seen);
    case Kind::kCopy: return copy(step);
    default: return fill(step);
  }
}

void on_child(int, siginfo_t*, void*) {}

}  // namespace

void install_handlers() {
  const stack_t stack{.ss_sp = shared().signal_stack, .ss_flags = 0, .ss_size = kSignalStackBytes};
  call(__NR_sigaltstack, &stack, 0);
  constexpr std::uint64_t kRestorer = 0x0400'0000;  // SA_RESTORER
  const KernelAction action{on_signal, SA_SIGINFO | SA_ONSTACK | SA_NODEFER | kRestorer, &restore_signal, 0};
  for (const int signal : {SIGSEGV, SIGBUS, SIGTRAP, SIGILL, SIGFPE}) {
    call(__NR_rt_sigaction, signal, &action, 0, sizeof action.mask);
  }
  // The end of a child ends the wait in ppoll(), and nothing else: blocked outside of it.
  const KernelAction woken{on_child, kRestorer, &restore_signal, 0};
  call(__NR_rt_sigaction, SIGCHLD, &woken, 0, sizeof woken.mask);
  const std::uint64_t child_signal = 1ULL << (SIGCHLD - 1);
  call(__NR_rt_sigprocmask, SIG_BLOCK, &child_signal, 0, sizeof child_signal);
}

void make_access(const Step& step, Seen& seen) {
  Shared& s = shared();
  s.armed = true;
  guarded(&make, step, seen);
  s.armed = false;
  const bool loads = step.kind == Kind::kRead || step.kind == Kind::kLocked;
  seen.bytes_count = loads && seen.signal == 0 ? step.width : 0;
}

}  // namespace faultline::vmm::fuzz::host
