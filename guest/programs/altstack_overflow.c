// A stack overflow caught on the alternate signal stack: the handler sees where and leaves.
#include "guest/programs/rt.h"

#include <asm/sigcontext.h>
#include <asm/siginfo.h>
#include <asm/ucontext.h>

void restore_signal(void);

static char alternate[8 * PAGE];
static u64 top;
static volatile int endless = 1;

static void overflowed(int signal, struct siginfo* info, struct ucontext* context) {
  line("signal", signal);
  line("code", info->si_code);
  line("error", (s64)context->uc_mcontext.err);
  s64 depth = (s64)(top - (u64)info->si_addr);
  line("near the limit", depth > (1 << 20) - 64 * 1024 && depth < (1 << 20) + 64 * 1024);
  line("at the stack pointer", context->uc_mcontext.rsp - (u64)info->si_addr < 4096);
  leave(3);
}

static int deeper(volatile char* above) {
  volatile char frame[512];
  frame[0] = above[0];
  return endless ? deeper(frame) + frame[0] : 0;
}

int run(int argc, char** argv) {
  (void)argc;
  top = (u64)argv;
  u64 limit[2] = {1 << 20, 1 << 20};
  MUST(sys4(__NR_prlimit64, 0, 3, limit, 0));
  stack_t stack = {.ss_sp = alternate, .ss_size = sizeof alternate};
  MUST(sys2(__NR_sigaltstack, &stack, 0));
  struct sigaction action = {.sa_handler = (__sighandler_t)(void*)overflowed,
                             .sa_flags = SA_SIGINFO | SA_RESTORER | SA_ONSTACK,
                             .sa_restorer = restore_signal};
  MUST(sys4(__NR_rt_sigaction, SIGSEGV, &action, 0, 8));
  return deeper(argv[0]);
}
