// REP MOVSB across a hole: how far it got is in memory and in the registers' effect; then killed.
#include "guest/programs/rt.h"

int run(int argc, char** argv) {
  (void)argc;
  (void)argv;
  char* memory = anonymous(3);
  for (u64 i = 0; i < PAGE; ++i) memory[i] = (char)i;
  MUST(sys2(__NR_munmap, memory + 2 * PAGE, PAGE));
  catch_faults();
  report("rep movsb", probe_copy(memory + PAGE + 512, memory, PAGE), memory);
  u64 copied = 0;
  for (u64 i = 0; i < PAGE - 512; ++i) copied += memory[PAGE + 512 + i] == memory[i];
  line("copied", (s64)copied);
  struct sigaction plain = {0};
  MUST(sys4(__NR_rt_sigaction, SIGSEGV, &plain, 0, sizeof(sigset_t)));
  flush();
  probe_fill(memory + PAGE, 2 * PAGE);
  return 0;
}
