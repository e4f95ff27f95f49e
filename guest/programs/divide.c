// Divides by zero: killed by SIGFPE.
#include "guest/programs/rt.h"

int run(int argc, char** argv) {
  (void)argc;
  (void)argv;
  probe_divide();
  return 0;
}
