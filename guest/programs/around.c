// Maps a file of argv[1] pages in memory and touches all of them: argv[2] is "read", which maps
// neighbours around each fault, "write", where each page faults by itself, or "nothing".
#include "guest/programs/rt.h"

int run(int argc, char** argv) {
  if (argc < 3) return 2;
  u64 pages = 0;
  for (const char* p = argv[1]; *p; ++p) pages = pages * 10 + (u64)(*p - '0');
  int fd = numbered_file(pages);
  char* m = (char*)MUST(sysmmap(0, pages * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
  for (u64 i = 0; i < pages && argv[2][0] != 'n'; ++i) {
    volatile char* byte = m + i * PAGE;
    if (argv[2][0] == 'w')
      *byte = 1;
    else
      (void)*byte;
  }
  return 0;
}
