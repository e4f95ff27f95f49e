// Signals sent by the program to itself: masks, nesting, SA_NODEFER, SA_RESETHAND, the alternate stack.
#include "guest/programs/rt.h"

#include <asm/sigcontext.h>
#include <asm/siginfo.h>
#include <asm/ucontext.h>

enum { kUser1 = 10, kUser2 = 12 };

void restore_signal(void);

static volatile int depth, deepest, calls, on_alternate;
static char alternate[8 * PAGE];

static void send(int signal) { MUST(sys3(__NR_tgkill, sys0(__NR_getpid), sys0(__NR_gettid), signal)); }

static void handler(int signal, struct siginfo* info, struct ucontext* context) {
  char here;
  ++calls;
  if (++depth > deepest) deepest = depth;
  on_alternate = &here >= alternate && &here < alternate + sizeof alternate;
  if (calls == 1) {
    line("signal", signal);
    line("code", info->si_code);
    line("from itself", info->si_pid == sys0(__NR_getpid));
    line("mask to return to", (s64)context->uc_sigmask);
  }
  if (calls < 4) send(signal);
  --depth;
}

static void install(int signal, u64 flags) {
  struct sigaction action = {.sa_handler = (__sighandler_t)(void*)handler,
                             .sa_flags = SA_SIGINFO | SA_RESTORER | flags,
                             .sa_restorer = restore_signal};
  MUST(sys4(__NR_rt_sigaction, signal, &action, 0, 8));
  calls = depth = deepest = 0;
}

static u64 mask(int how, u64 set) {
  u64 old = 0;
  MUST(sys4(__NR_rt_sigprocmask, how, &set, &old, 8));
  return old;
}

int run(int argc, char** argv) {
  (void)argc;
  (void)argv;
  install(kUser1, 0);
  send(kUser1);
  line("calls", calls);
  line("deepest", deepest);

  install(kUser1, SA_NODEFER);
  send(kUser1);
  line("calls with SA_NODEFER", calls);
  line("deepest with SA_NODEFER", deepest);

  stack_t stack = {.ss_sp = alternate, .ss_size = sizeof alternate};
  MUST(sys2(__NR_sigaltstack, &stack, 0));
  install(kUser1, SA_ONSTACK);
  send(kUser1);
  line("on the alternate stack", on_alternate);
  stack_t now = {0};
  MUST(sys2(__NR_sigaltstack, 0, &now));
  line("alternate stack size", (s64)now.ss_size);
  line("alternate stack flags", now.ss_flags);

  install(kUser2, 0);
  calls = 10;
  mask(SIG_BLOCK, 1UL << (kUser2 - 1));
  send(kUser2);
  line("blocked calls", calls);
  u64 pending = 0;
  MUST(sys2(__NR_rt_sigpending, &pending, 8));
  line("pending", (s64)pending);
  line("old mask", (s64)mask(SIG_UNBLOCK, 1UL << (kUser2 - 1)));
  line("calls after unblocking", calls);
  line("SIGKILL cannot be caught", sys4(__NR_rt_sigaction, SIGKILL, &(struct sigaction){0}, 0, 8));
  line("mask size must be 8", sys4(__NR_rt_sigprocmask, 0, &pending, 0, 4));

  install(kUser1, SA_RESETHAND);
  calls = 10;
  send(kUser1);
  line("calls with SA_RESETHAND", calls);
  flush();
  send(kUser1);
  text("not reached\n");
  return 0;
}
