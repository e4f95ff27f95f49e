// Writes one byte to each of as many anonymous pages as the argument says (1024 without one), in
// address order, and does nothing else: what benchmarks time.
#include "guest/programs/rt.h"

int run(int argc, char** argv) {
  u64 pages = 1024;
  if (argc > 1) {
    pages = 0;
    for (const char* digit = argv[1]; *digit; ++digit) pages = pages * 10 + (u64)(*digit - '0');
  }
  volatile char* memory = anonymous(pages);
  for (u64 i = 0; i < pages; ++i) memory[i * PAGE] = 1;
  return 0;
}
