// brk: grows, keeps contents, shrinks, forgets what was given back.
#include "guest/programs/rt.h"

int run(int argc, char** argv) {
  (void)argc;
  (void)argv;
  catch_faults();
  char* start = (char*)sys1(__NR_brk, 0);
  line("start aligned", ((u64)start & (PAGE - 1)) == 0);
  line("grown", sys1(__NR_brk, start + 10 * PAGE) - (long)start);
  for (int i = 0; i < 10; ++i) start[i * PAGE] = (char)(i + 1);
  line("grown by bytes", sys1(__NR_brk, start + 10 * PAGE + 123) - (long)start);
  report("in the last page", probe_store(start + 10 * PAGE + 4000), start);
  report("beyond it", probe_store(start + 11 * PAGE), start);
  line("shrunk", sys1(__NR_brk, start + 3 * PAGE) - (long)start);
  report("kept", probe_load(start + 2 * PAGE), start);
  report("given back", probe_load(start + 3 * PAGE), start);
  line("grown again", sys1(__NR_brk, start + 8 * PAGE) - (long)start);
  line("old byte kept", start[2 * PAGE]);
  line("new byte", start[5 * PAGE]);
  line("below the start is refused", sys1(__NR_brk, start - PAGE) - (long)start);
  line("absurd is refused", sys1(__NR_brk, 0x7fffffffffffffff) - (long)start);
  line("all given back", sys1(__NR_brk, start) - (long)start);
  report("nothing left", probe_load(start), start);
  return 0;
}
