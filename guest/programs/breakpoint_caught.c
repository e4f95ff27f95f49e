// INT3 with a handler: a SIGTRAP that is reported and survived.
#include "guest/programs/rt.h"

int run(int argc, char** argv) {
  (void)argc;
  (void)argv;
  catch_faults();
  report("int3", probe_int3(), 0);
  return 0;
}
