// A private file mapping: writes are seen through it and nowhere else; later changes of the file
// are seen where nothing was written.
#include "guest/programs/rt.h"

enum { kPages = 8 };

static char file_byte(int fd, u64 page) {
  char c = 0;
  MUST(sys4(__NR_pread64, fd, &c, 1, page * PAGE));
  return c;
}

int run(int argc, char** argv) {
  (void)argc;
  (void)argv;
  int fd = numbered_file(kPages);
  volatile char* map = (char*)MUST(sysmmap(0, kPages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0));
  volatile char* other = (char*)MUST(sysmmap(0, kPages * PAGE, PROT_READ, MAP_SHARED, fd, 0));
  for (u64 i = 0; i < kPages; ++i) line("read", map[i * PAGE]);
  map[2 * PAGE] = 'X';
  map[5 * PAGE + 1] = 'Y';
  line("written", map[2 * PAGE]);
  line("beside it", map[2 * PAGE + 1]);
  line("through the other mapping", other[2 * PAGE]);
  line("in the file", file_byte(fd, 2));
  MUST(sys4(__NR_pwrite64, fd, "Z", 1, 2 * PAGE));
  MUST(sys4(__NR_pwrite64, fd, "Z", 1, 3 * PAGE));
  line("copied page keeps its own", map[2 * PAGE]);
  line("shared page follows the file", map[3 * PAGE]);
  line("other mapping follows the file", other[2 * PAGE]);
  return 0;
}
