// Runs UD2: killed by SIGILL.
#include "guest/programs/rt.h"

int run(int argc, char** argv) {
  (void)argc;
  (void)argv;
  probe_ud2();
  return 0;
}
