// Reads a mapped page past the end of its file: killed by SIGBUS.
#include "guest/programs/rt.h"

int run(int argc, char** argv) {
  (void)argc;
  (void)argv;
  int fd = numbered_file(1);
  probe_load((char*)MUST(sysmmap(0, 2 * PAGE, PROT_READ, MAP_PRIVATE, fd, 0)) + PAGE);
  return 0;
}
