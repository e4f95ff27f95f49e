// mremap: grow in place, grow by moving, shrink, move to a fixed place, refusals.
#include "guest/programs/rt.h"

static void show(const char* what, const volatile char* memory, int pages) {
  text(what);
  for (int i = 0; i < pages; ++i) {
    text(" ");
    dec(memory[i * (long)PAGE]);
  }
  text("\n");
}

int run(int argc, char** argv) {
  (void)argc;
  (void)argv;
  catch_faults();
  char* space = anonymous(64);
  MUST(sys2(__NR_munmap, space, 64 * PAGE));
  int kind = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
  char* a = (char*)MUST(sysmmap(space + 8 * PAGE, 4 * PAGE, PROT_READ | PROT_WRITE, kind, -1, 0));
  for (int i = 0; i < 4; ++i) a[i * PAGE] = (char)(i + 1);
  line("grown in place", (char*)sys4(__NR_mremap, a, 4 * PAGE, 6 * PAGE, 0) - a);
  show("contents", a, 6);
  line("shrunk", (char*)sys4(__NR_mremap, a, 6 * PAGE, 3 * PAGE, 0) - a);
  report("beyond it", probe_load(a + 3 * PAGE), a);
  MUST(sysmmap(a + 3 * PAGE, PAGE, PROT_READ, kind, -1, 0));
  line("no room in place", sys4(__NR_mremap, a, 3 * PAGE, 5 * PAGE, 0));
  char* moved = (char*)MUST(sys4(__NR_mremap, a, 3 * PAGE, 5 * PAGE, MREMAP_MAYMOVE));
  line("moved", moved != a);
  show("contents", moved, 5);
  report("the old place", probe_load(a), a);
  char* to = space + 30 * PAGE;
  line("moved to a fixed place",
       (char*)sys5(__NR_mremap, moved, 5 * PAGE, 5 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to) - space);
  show("contents", to, 5);
  line("middle moved out",
       (char*)sys5(__NR_mremap, to + PAGE, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, space + 50 * PAGE) - space);
  line("byte", space[50 * PAGE]);
  report("the hole it left", probe_load(to + PAGE), to);
  line("across the hole", sys4(__NR_mremap, to, 5 * PAGE, 8 * PAGE, MREMAP_MAYMOVE));
  line("not mapped", sys4(__NR_mremap, space, PAGE, 2 * PAGE, MREMAP_MAYMOVE));
  line("unaligned", sys4(__NR_mremap, to + 1, PAGE, 2 * PAGE, MREMAP_MAYMOVE));
  line("new length 0", sys4(__NR_mremap, to, PAGE, 0, MREMAP_MAYMOVE));
  line("overlapping",
       sys5(__NR_mremap, to + 2 * PAGE, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to + 3 * PAGE));
  int fd = numbered_file(8);
  char* file = (char*)MUST(sysmmap(0, 2 * PAGE, PROT_READ, MAP_SHARED, fd, PAGE));
  file = (char*)MUST(sys4(__NR_mremap, file, 2 * PAGE, 6 * PAGE, MREMAP_MAYMOVE));
  show("file", file, 6);
  return 0;
}
