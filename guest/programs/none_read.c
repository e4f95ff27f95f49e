// Reads memory mapped with PROT_NONE: killed by SIGSEGV.
#include "guest/programs/rt.h"

int run(int argc, char** argv) {
  (void)argc;
  (void)argv;
  probe_load((void*)MUST(sysmmap(0, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)));
  return 0;
}
