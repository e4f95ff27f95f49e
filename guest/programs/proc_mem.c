// /proc/self/mem: protections are no obstacle, what others share is left alone.
#include "guest/programs/proc_text.h"

enum { kRw = PROT_READ | PROT_WRITE };
static long mem;
static char bytes[3 * PAGE];

static char* map(u64 pages, int prot, int flags, int fd) {
  return (char*)MUST(sysmmap(fresh_place(), pages * PAGE, prot, flags | MAP_FIXED, fd, 0));
}
static void reads(const char* what, u64 at, u64 length) {
  text("read ");
  line(what, sys4(__NR_pread64, mem, bytes, length, at));
}
static void writes(const char* what, u64 at, u64 length) {
  bytes[0] = 'W';
  text("write ");
  line(what, sys4(__NR_pwrite64, mem, bytes, length, at));
}

int run(int argc, char** argv) {
  (void)argc;
  (void)argv;
  mem = MUST(sys3(__NR_open, "/proc/self/mem", O_RDWR, 0));
  char* m = map(4, kRw, MAP_PRIVATE | MAP_ANONYMOUS, -1);
  m[0] = 'a';
  reads("plain", (u64)m, 10);
  text(bytes[0] == 'a' ? "a\n" : "not a\n");
  writes("plain", (u64)m + PAGE, 1);
  line("there", m[PAGE]);
  MUST(sys3(__NR_mprotect, m, 2 * PAGE, PROT_NONE));
  reads("no access", (u64)m, 10);
  writes("no access", (u64)m, 1);
  MUST(sys3(__NR_mprotect, m, 2 * PAGE, PROT_READ));
  line("seen", m[0]);
  struct faults f = faults_now();
  writes("read-only", (u64)m + PAGE, 1);
  line("faults", faults_now().minor - f.minor);
  catch_faults();
  report("store after it", probe_store(m), m);
  MUST(sys2(__NR_munmap, m + 2 * PAGE, PAGE));
  reads("across a hole", (u64)m + PAGE, 2 * PAGE);
  reads("in a hole", (u64)m + 2 * PAGE, 8);
  writes("in a hole", (u64)m + 2 * PAGE, 8);
  int fd = numbered_file(2);
  char* s = map(2, PROT_READ, MAP_SHARED, fd);
  writes("read-only shared", (u64)s, 1);
  line("still", s[0]);
  char* p = map(2, PROT_READ, MAP_PRIVATE, fd);
  writes("read-only private file", (u64)p, 1);
  line("copied", p[0]);
  line("the file", s[0]);
  report("store to the copy", probe_store(p), p);
  char* w = map(2, kRw, MAP_SHARED, fd);
  writes("shared", (u64)w + PAGE, 1);
  line("everywhere", s[PAGE]);
  reads("beyond the file", (u64)map(4, PROT_READ, MAP_SHARED, fd) + 3 * PAGE, 1);
  reads("wild", 1UL << 62, 8);
  reads("kernel", 0xffffffffff600000, 8);
  reads("nothing", 0, 0);
  line("seek back", sys3(__NR_lseek, mem, -4096, 0));
  line("read there", sys3(__NR_read, mem, bytes, 8));
  line("seek to the end", sys3(__NR_lseek, mem, 0, 2));
  line("seek", sys3(__NR_lseek, mem, w, 0) == (long)w);
  line("read", sys3(__NR_read, mem, bytes, 8));
  line("bad buffer", sys4(__NR_pread64, mem, 8, 8, w));
  return 0;
}
