// mprotect: what it allows and refuses, contents kept through every round trip.
#include "guest/programs/rt.h"

int run(int argc, char** argv) {
  (void)argc;
  (void)argv;
  catch_faults();
  char* area = anonymous(8);
  for (int i = 0; i < 8; ++i) area[i * PAGE] = (char)('a' + i);
  line("middle read-only", sys3(__NR_mprotect, area + 2 * PAGE, 3 * PAGE, PROT_READ));
  for (int i = 1; i < 6; ++i) report("write", probe_store(area + i * PAGE + 8), area);
  for (int i = 1; i < 6; ++i) report("read", probe_load(area + i * PAGE), area);
  line("none", sys3(__NR_mprotect, area + 3 * PAGE, PAGE, PROT_NONE));
  report("read of none", probe_load(area + 3 * PAGE), area);
  line("back", sys3(__NR_mprotect, area, 8 * PAGE, PROT_READ | PROT_WRITE));
  report("write after it", probe_store(area + 3 * PAGE + 8), area);
  for (int i = 0; i < 8; ++i) line("byte", area[i * PAGE]);
  line("unaligned", sys3(__NR_mprotect, area + 1, PAGE, PROT_READ));
  line("length 0", sys3(__NR_mprotect, area, 0, PROT_READ));
  line("bad bits", sys3(__NR_mprotect, area, PAGE, 0x40000000));
  MUST(sys2(__NR_munmap, area + 5 * PAGE, PAGE));
  line("across a hole", sys3(__NR_mprotect, area + 3 * PAGE, 5 * PAGE, PROT_READ));
  report("before the hole it was done", probe_store(area + 4 * PAGE), area);
  report("after the hole it was not", probe_store(area + 6 * PAGE), area);
  int fd = numbered_file(1);
  char* file = (char*)MUST(sysmmap(0, PAGE, PROT_READ, MAP_PRIVATE, fd, 0));
  line("private file made writable", sys3(__NR_mprotect, file, PAGE, PROT_READ | PROT_WRITE));
  report("write to it", probe_store(file), file);
  return 0;
}
