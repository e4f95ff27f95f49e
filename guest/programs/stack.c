// The stack grows on demand at any distance below the stack pointer, but not into the guard gap
// above a mapping.
#include "guest/programs/rt.h"

int run(int argc, char** argv) {
  (void)argc;
  (void)argv;
  catch_faults();
  char here;
  char* page = (char*)((u64)&here & -PAGE);
  report("4 KiB below", probe_load(page - PAGE), page);
  report("64 KiB below", probe_store(page - 16 * PAGE), page);
  report("200 KiB below", probe_store(page - 50 * PAGE), page);
  report("1 MiB below", probe_load(page - 256 * PAGE), page);
  report("in between", probe_store(page - 100 * PAGE), page);

  char* wall = (char*)MUST(sysmmap(page - 1024 * PAGE, PAGE, PROT_READ | PROT_WRITE,
                                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0));
  char* end = wall + PAGE;
  report("255 pages above a mapping", probe_store(end + 255 * PAGE), end);
  report("256 pages above a mapping", probe_store(end + 256 * PAGE), end);
  report("1 page above a mapping", probe_load(end), end);
  MUST(sys3(__NR_mprotect, wall, PAGE, PROT_NONE));
  report("5 pages above a PROT_NONE mapping", probe_store(end + 5 * PAGE), end);
  MUST(sys2(__NR_munmap, wall, PAGE));
  report("with the mapping gone", probe_store(end - 100 * PAGE), end);

  u64 limit[2] = {1 << 20, 8 << 20};
  MUST(sys4(__NR_prlimit64, 0, 3, limit, 0));
  report("below a smaller limit", probe_store(page - 1300 * PAGE), page);
  return 0;
}
