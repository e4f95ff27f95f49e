// Writes its own read-only data: killed by SIGSEGV.
#include "guest/programs/rt.h"

int run(int argc, char** argv) {
  (void)argc;
  (void)argv;
  probe_store((void*)probe_code);
  return 0;
}
