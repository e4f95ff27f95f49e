// Reads a non-canonical address: #GP, killed by SIGSEGV.
#include "guest/programs/rt.h"

int run(int argc, char** argv) {
  (void)argc;
  (void)argv;
  probe_load((void*)0x8000000000001000);
  return 0;
}
