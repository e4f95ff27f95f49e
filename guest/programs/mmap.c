// Where mmap puts things, what it refuses, MAP_FIXED over what was there.
#include "guest/programs/rt.h"

enum { kAnonymous = MAP_PRIVATE | MAP_ANONYMOUS, kRw = PROT_READ | PROT_WRITE };

static void placement(void) {
  char* area = anonymous(64);
  MUST(sys2(__NR_munmap, area, 64 * PAGE));
  char* a = anonymous(4);
  char* b = anonymous(4);
  char* c = anonymous(4);
  line("second below the first", (a - b) / (s64)PAGE);
  line("third below the second", (b - c) / (s64)PAGE);
  MUST(sys2(__NR_munmap, b, 4 * PAGE));
  char* d = anonymous(8);
  line("too big for the hole", (a - d) / (s64)PAGE);
  char* e = anonymous(2);
  line("into the hole", (a - e) / (s64)PAGE);
  char* hint = (char*)0x200000000000;
  line("hint kept", sysmmap(hint, PAGE, kRw, kAnonymous, -1, 0) - (long)hint);
  line("hint taken already, elsewhere", sysmmap(hint, PAGE, kRw, kAnonymous, -1, 0) != (long)hint);
  line("odd hint rounded", sysmmap(hint + 8 * PAGE + 5, PAGE, kRw, kAnonymous, -1, 0) - (long)hint);
}

static void refusals(void) {
  line("length 0", sysmmap(0, 0, kRw, kAnonymous, -1, 0));
  line("length that wraps", sysmmap(0, -PAGE, kRw, kAnonymous, -1, 0));
  line("neither private nor shared", sysmmap(0, PAGE, kRw, MAP_ANONYMOUS, -1, 0));
  line("fixed and unaligned", sysmmap(0x10000001, PAGE, kRw, kAnonymous | MAP_FIXED, -1, 0));
  line("fixed in the kernel half", sysmmap(0xffff800000000000, PAGE, kRw, kAnonymous | MAP_FIXED, -1, 0));
  line("bad descriptor", sysmmap(0, PAGE, PROT_READ, MAP_PRIVATE, 77, 0));
  line("unaligned file offset", sysmmap(0, PAGE, PROT_READ, MAP_PRIVATE, 77, 12));
  line("more than there is room for", sysmmap(0, 1UL << 47, PROT_NONE, kAnonymous, -1, 0));
}

static void fixed(void) {
  char* area = anonymous(16);
  for (int i = 0; i < 16; ++i) area[i * PAGE] = (char)('a' + i);
  line("noreplace over it", sysmmap(area + PAGE, PAGE, kRw, kAnonymous | MAP_FIXED_NOREPLACE, -1, 0));
  line("fixed over the middle", sysmmap(area + 4 * PAGE, 4 * PAGE, kRw, kAnonymous | MAP_FIXED, -1, 0) - (long)area);
  for (int i = 2; i < 10; ++i) line("byte", area[i * PAGE]);
  catch_faults();
  MUST(sys2(__NR_munmap, area + 6 * PAGE, PAGE));
  report("hole", probe_load(area + 6 * PAGE), area);
  report("before it", probe_load(area + 5 * PAGE), area);
  report("after it", probe_load(area + 7 * PAGE), area);
  line("munmap of a hole", sys2(__NR_munmap, area + 6 * PAGE, PAGE));
  line("munmap across the hole", sys2(__NR_munmap, area, 16 * PAGE));
  line("munmap of length 0", sys2(__NR_munmap, area, 0));
  line("munmap unaligned", sys2(__NR_munmap, area + 1, PAGE));
  report("all gone", probe_load(area), area);
}

int run(int argc, char** argv) {
  (void)argc;
  (void)argv;
  placement();
  refusals();
  fixed();
  return 0;
}
