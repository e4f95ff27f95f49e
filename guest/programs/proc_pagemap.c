// Entries of /proc/self/pagemap, PAGEMAP_SCAN over the same pages, and what both refuse.
#include "guest/programs/proc_text.h"

enum { kPages = 64, kRw = PROT_READ | PROT_WRITE };
static long pagemap;

// Bits 55 to 63 of each page, runs of equal ones together.
static void show(const char* what, const char* memory, u64 pages) {
  static u64 entries[kPages];
  long n = MUST(sys4(__NR_pread64, pagemap, entries, pages * 8, (u64)memory / PAGE * 8));
  text(what);
  text(":");
  for (u64 i = 0; i < (u64)n / 8;) {
    u64 j = i;
    while (j < (u64)n / 8 && entries[j] >> 55 == entries[i] >> 55) ++j;
    text(" ");
    dec((s64)(j - i));
    text("x");
    hex(entries[i] >> 55);
    i = j;
  }
  text("\n");
}

struct region {
  u64 start, end, categories;
};
struct scan {
  u64 size, flags, start, end, walk_end, vec, vec_len, max_pages, inverted, mask, anyof, returned;
};
static void scan(const char* what, struct scan s) {
  static struct region regions[16];
  if (s.vec == 1) s.vec = (u64)regions;
  if (s.size == 0) s.size = sizeof s;
  long r = sys3(__NR_ioctl, pagemap, 0xc0606610, &s);
  text(what);
  text(": ");
  dec(r);
  text(" end ");
  dec(s.walk_end == 0 ? -1 : (s64)(s.walk_end - s.start) / (s64)PAGE);
  for (long i = 0; i < r; ++i) {
    text(" ");
    dec((s64)((regions[i].start - s.start) / PAGE));
    text("+");
    dec((s64)((regions[i].end - regions[i].start) / PAGE));
    text("=");
    hex(regions[i].categories);
  }
  text("\n");
}

static void residency(const char* what, char* memory) {
  static unsigned char vector[kPages];
  MUST(sys3(__NR_mincore, memory, kPages * PAGE, vector));
  text(what);
  text(": ");
  for (u64 i = 0; i < kPages; ++i) text(vector[i] & 1 ? "1" : "0");
  text("\n");
}

static char* map(int prot, int flags, int fd) {
  return (char*)MUST(sysmmap(fresh_place(), kPages * PAGE, prot, flags | MAP_FIXED, fd, 0));
}

static char* mixed(void) {
  char* m = map(kRw, MAP_PRIVATE | MAP_ANONYMOUS, -1);
  show("untouched", m, kPages);
  for (u64 i = 0; i < 8; ++i) *(volatile char*)(m + i * PAGE) = 1;
  (void)*(volatile char*)(m + 10 * PAGE);
  *(volatile char*)(m + 20 * PAGE) = 1;
  show("touched", m, kPages);
  MUST(sys3(__NR_mprotect, m + 2 * PAGE, 2 * PAGE, PROT_NONE));
  show("no access", m, kPages);
  MUST(sys3(__NR_mprotect, m + 2 * PAGE, 2 * PAGE, kRw));
  sys3(__NR_madvise, m + 30 * PAGE, 2 * PAGE, 102);  // MADV_GUARD_INSTALL
  show("guarded", m, kPages);
  residency("resident", m);
  return m;
}

static void scans(char* m) {
  struct scan s = {
      .start = (u64)m, .end = (u64)m + kPages * PAGE, .vec = 1, .vec_len = 16, .anyof = 0x1ff, .returned = 0x1ff};
  scan("all", s);
  s.anyof = s.returned = 8;
  scan("present", s);
  s.vec_len = 1;
  scan("one region", s);
  s.vec_len = 16, s.max_pages = 3;
  scan("three pages", s);
  s.max_pages = 8;
  scan("eight pages", s);
  s.max_pages = 0, s.anyof = 0, s.mask = 2, s.returned = 2;
  scan("written", s);
  s.mask = s.inverted = 8, s.returned = 0x1ff;
  scan("not present", s);
  s.mask = s.inverted = 0;
  scan("no condition", s);
  s.vec = s.vec_len = 0;
  scan("no regions", s);
  s.vec_len = 4;
  scan("null regions", s);
  s.vec = 1, s.vec_len = 16, s.start += 1;
  scan("unaligned start", s);
  s.start -= 1, s.end += 1 - 60 * PAGE;
  scan("unaligned end", s);
  s.end = s.start + kPages * PAGE, s.flags = 2;
  scan("asynchronous only", s);
  s.flags = 1;
  scan("protecting", s);
  s.flags = 4;
  scan("unknown flag", s);
  s.flags = 0, s.mask = 0x200;
  scan("unknown category", s);
  s.mask = 8, s.size = 8;
  scan("short structure", s);
  s.size = 0, s.end = s.start - PAGE;
  scan("backwards", s);
  s.end = 0x800000000000;
  scan("beyond user space", s);
  s.end = s.start;
  scan("empty", s);
  s.end = s.start + kPages * PAGE, s.vec = 0x1000;
  scan("regions nowhere", s);
  line("argument nowhere", sys3(__NR_ioctl, pagemap, 0xc0606610, 8));
  line("unknown command", sys3(__NR_ioctl, pagemap, 0x1234, 0));
  MUST(sys2(__NR_munmap, m + 40 * PAGE, 4 * PAGE));
  s.vec = 1, s.mask = 0;
  scan("around a hole", s);
}

static void files(void) {
  int fd = numbered_file(kPages);
  char* s = map(kRw, MAP_SHARED, fd);
  (void)*(volatile char*)(s + 5 * PAGE);
  *(volatile char*)(s + 40 * PAGE) = 1;
  show("shared file", s, kPages);
  char* p = map(kRw, MAP_PRIVATE, fd);
  (void)*(volatile char*)(p + 5 * PAGE);
  *(volatile char*)(p + 6 * PAGE) = 1;
  *(volatile char*)(p + 50 * PAGE) = 1;
  show("private file", p, kPages);
  show("shared file of two", s, kPages);
  scan("file pages",
       (struct scan){
           .start = (u64)p, .end = (u64)p + kPages * PAGE, .vec = 1, .vec_len = 16, .mask = 8, .returned = 0xfc});
  char* a = map(kRw, MAP_SHARED | MAP_ANONYMOUS, -1);
  *(volatile char*)(a + 1 * PAGE) = 1;
  (void)*(volatile char*)(a + 3 * PAGE);
  show("shared anonymous", a, kPages);
  residency("shared anonymous resident", a);
}

static void refusals(char* m) {
  static u64 entries[4];
  line("seven bytes", sys4(__NR_pread64, pagemap, entries, 7, 0));
  line("from the middle", sys4(__NR_pread64, pagemap, entries, 8, 4));
  line("at the end", sys4(__NR_pread64, pagemap, entries, 8, 0x7ffffffff000 / PAGE * 8));
  line("across the end", sys4(__NR_pread64, pagemap, entries, 16, 0x7ffffffff000 / PAGE * 8 - 8));
  line("far out", sys4(__NR_pread64, pagemap, entries, 8, 1UL << 62));
  line("seek", sys3(__NR_lseek, pagemap, (u64)m / PAGE * 8, 0) == (long)((u64)m / PAGE * 8));
  line("read", sys3(__NR_read, pagemap, entries, 16));
  line("position", sys3(__NR_lseek, pagemap, 0, 1) == (long)((u64)m / PAGE * 8 + 16));
  line("seek to the end", sys3(__NR_lseek, pagemap, 0, 2));
  line("write", sys3(__NR_write, pagemap, entries, 8));
  line("map", sysmmap(0, PAGE, PROT_READ, MAP_PRIVATE, pagemap, 0));
}

int run(int argc, char** argv) {
  (void)argc;
  (void)argv;
  pagemap = MUST(sys3(__NR_open, "/proc/self/pagemap", O_RDONLY, 0));
  char* m = mixed();
  scans(m);
  files();
  refusals(m);
  return 0;
}
