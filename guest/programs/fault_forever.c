// A SIGSEGV handler that simply returns: the same fault again, without end.
#include "guest/programs/rt.h"

void restore_signal(void);

static void ignore(int signal) { (void)signal; }

int run(int argc, char** argv) {
  (void)argc;
  (void)argv;
  struct sigaction action = {.sa_handler = ignore, .sa_flags = SA_RESTORER, .sa_restorer = restore_signal};
  MUST(sys4(__NR_rt_sigaction, SIGSEGV, &action, 0, sizeof(sigset_t)));
  text("faulting\n");
  flush();
  probe_load((void*)0);
  return 0;
}
