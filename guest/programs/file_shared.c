// A shared file mapping: writes reach the file and every other mapping, msync or not.
#include "guest/programs/rt.h"

enum { kPages = 8 };

int run(int argc, char** argv) {
  (void)argc;
  (void)argv;
  int fd = numbered_file(kPages);
  volatile char* map = (char*)MUST(sysmmap(0, kPages * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
  volatile char* middle = (char*)MUST(sysmmap(0, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 3 * PAGE));
  for (u64 i = 0; i < kPages; ++i) map[i * PAGE + 1] = (char)('A' + i);
  line("seen at an offset", middle[1]);
  middle[PAGE + 2] = '!';
  line("seen from the whole", map[4 * PAGE + 2]);
  line("msync", sys3(__NR_msync, map, kPages * PAGE, MS_SYNC));
  char seen[4] = {0};
  for (u64 i = 0; i < kPages; ++i) {
    MUST(sys4(__NR_pread64, fd, seen, 3, i * PAGE));
    text(seen);
    text("\n");
  }
  MUST(sys4(__NR_pwrite64, fd, "w", 1, 6 * PAGE));
  line("written to the file, seen in the mapping", map[6 * PAGE]);
  line("write to a read-only descriptor's mapping",
       sysmmap(0, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, sys4(__NR_openat, AT_FDCWD, "/proc/self/exe", 0, 0), 0));
  return 0;
}
