// Recurses until the stack limit: killed by SIGSEGV.
#include "guest/programs/rt.h"

static volatile int endless = 1;

static int deeper(volatile char* above) {
  volatile char frame[1024];
  frame[0] = above[0];
  return endless ? deeper(frame) + frame[0] : 0;
}

int run(int argc, char** argv) {
  (void)argc;
  u64 limit[2] = {1 << 20, 1 << 20};
  MUST(sys4(__NR_prlimit64, 0, 3, limit, 0));
  return deeper(argv[0]);
}
