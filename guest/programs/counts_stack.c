// Minor faults of a stack that grows.
#include "guest/programs/rt.h"

static char* page;

static void grow(char* memory, u64 pages) {
  (void)memory;
  for (u64 i = 1; i <= pages; ++i) *(volatile char*)(page - (8 + i) * PAGE) = 1;
}

static void grow_far(char* memory, u64 pages) {
  (void)memory;
  if (pages > 0) *(volatile char*)(page - pages * PAGE) = 1;
}

static void read_between(char* memory, u64 pages) {
  (void)memory;
  for (u64 i = 1; i <= pages; ++i) (void)*(volatile char*)(page - (128 + i) * PAGE);
}

int run(int argc, char** argv) {
  (void)argc;
  (void)argv;
  char here;
  page = (char*)((u64)&here & -PAGE);
  // The pages just below may have been touched already, by the kernel or by calls.
  for (u64 i = 0; i <= 8; ++i) *(volatile char*)(page - i * PAGE) = 1;
  count("grow page by page", grow, 0, 100);
  count("grow by a megabyte", grow_far, 0, 384);
  count("read in between", read_between, 0, 100);
  return 0;
}
