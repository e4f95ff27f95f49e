// Runs INT3: killed by SIGTRAP.
#include "guest/programs/rt.h"

int run(int argc, char** argv) {
  (void)argc;
  (void)argv;
  probe_int3();
  return 0;
}
