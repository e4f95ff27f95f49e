// Faults while SIGSEGV is blocked: killed all the same.
#include "guest/programs/rt.h"

int run(int argc, char** argv) {
  (void)argc;
  (void)argv;
  catch_faults();
  u64 blocked = 1UL << (SIGSEGV - 1);
  MUST(sys4(__NR_rt_sigprocmask, SIG_BLOCK, &blocked, 0, sizeof blocked));
  probe_load((void*)0);
  text("not reached\n");
  return 0;
}
