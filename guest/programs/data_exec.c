// Runs code out of writable memory: killed by SIGSEGV.
#include "guest/programs/rt.h"

int run(int argc, char** argv) {
  (void)argc;
  (void)argv;
  char* page = anonymous(1);
  for (int i = 0; i < 6; ++i) page[i] = probe_code[i];
  probe_call(page);
  return 0;
}
