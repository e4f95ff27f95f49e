// RFLAGS.TF set by the program itself: a SIGTRAP with TRAP_TRACE after each instruction.
#include "guest/programs/rt.h"

#include <asm/sigcontext.h>
#include <asm/siginfo.h>
#include <asm/ucontext.h>

void restore_signal(void);
void stepped(void);
__asm__(
    "stepped:\n"
    "  pushfq\n"
    "  orl $0x100, (%rsp)\n"
    "  popfq\n"
    "  nop\n"
    "  xor %eax, %eax\n"
    "  mov $3, %ecx\n"
    "1: dec %ecx\n"
    "  jnz 1b\n"
    "  pushfq\n"
    "  andl $~0x100, (%rsp)\n"
    "  popfq\n"
    "  ret\n");

static int steps;
static u64 offsets[64];

static void on_trap(int signal, struct siginfo* info, struct ucontext* context) {
  if (steps == 0) {
    line("signal", signal);
    line("code", info->si_code);
    line("trap", (s64)context->uc_mcontext.trapno);
    line("address is the next instruction", (u64)info->si_addr == context->uc_mcontext.rip);
  }
  if (steps < 64) offsets[steps] = context->uc_mcontext.rip - (u64)stepped;
  ++steps;
}

int run(int argc, char** argv) {
  (void)argc;
  (void)argv;
  struct sigaction action = {.sa_handler = (__sighandler_t)(void*)on_trap,
                             .sa_flags = SA_SIGINFO | SA_RESTORER,
                             .sa_restorer = restore_signal};
  MUST(sys4(__NR_rt_sigaction, SIGTRAP, &action, 0, 8));
  stepped();
  line("steps", steps);
  for (int i = 0; i < steps; ++i) line("at", (s64)offsets[i]);
  return 0;
}
