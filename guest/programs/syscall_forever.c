// System calls without end: stopped by the limit on exits or on time.
#include "guest/programs/rt.h"

int run(int argc, char** argv) {
  (void)argc;
  (void)argv;
  for (;;) sys0(__NR_getpid);
}
