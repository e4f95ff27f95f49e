// Runs HLT at user level: #GP, killed by SIGSEGV.
#include "guest/programs/rt.h"

int run(int argc, char** argv) {
  (void)argc;
  (void)argv;
  probe_hlt();
  return 0;
}
