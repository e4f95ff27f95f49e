// Reads an address of the kernel half: killed by SIGSEGV.
#include "guest/programs/rt.h"

int run(int argc, char** argv) {
  (void)argc;
  (void)argv;
  probe_load((void*)0xffff888000000000);
  return 0;
}
