// What a process sees of its memory through /proc, mincore and ioctl (section 0), and writes through /proc (section 5).
#include "guest/programs/fidelity/cases.h"

static void pagemap_of_everything(void) {
  char* m = private_at(fresh_place(), 8, kRw);
  write_pages(m, 2);
  read_pages(m + 2 * PAGE, 2);
  pages("written, read, untouched", m, 8);
  MUST(sys3(__NR_mprotect, m, 4 * PAGE, PROT_NONE));
  pages("PROT_NONE is present", m, 8);
  int fd = numbered_file(4);
  char* f = file_at(fresh_place(), 8, kRw, MAP_PRIVATE, fd, 0);
  f[0] = 1;
  read_pages(f, 4);
  pages("copy and file pages", f, 8);
  char* g = file_at(fresh_place(), 4, kRead, MAP_SHARED, fd, 0);
  read_pages(g, 2);
  two_ranges("mapped twice", f, g, 4);
  pages("nothing mapped", fresh_place(), 2);
}

static void pagemap_by_offset(void) {
  static u64 words[4];
  char* m = private_at(fresh_place(), 4, kRw);
  write_pages(m, 4);
  int fd = (int)MUST(sys3(__NR_open, "/proc/self/pagemap", O_RDONLY, 0));
  result("two words", sys4(__NR_pread64, fd, words, 16, (u64)m / PAGE * 8));
  result("half a word", sys4(__NR_pread64, fd, words, 4, (u64)m / PAGE * 8));
  result("between words", sys4(__NR_pread64, fd, words, 8, (u64)m / PAGE * 8 + 4));
  result("beyond user memory", sys4(__NR_pread64, fd, words, 8, 0x7ffffffffUL * 8));
  result("far beyond", sys4(__NR_pread64, fd, words, 8, 0x7ffffffffffffff8UL));
}

// struct pm_scan_arg of linux/fs.h, whose libc headers may be older.
struct scan {
  u64 size, flags, start, end, walk_end, vec, vec_len, max_pages;
  u64 inverted, mask, any_of, return_mask;
};
struct region {
  u64 start, end, categories;
};

static void scan(const char* what, char* m, u64 page_count, u64 mask, u64 any_of) {
  static struct region regions[32];
  struct scan arg = {.size = sizeof arg,
                     .start = (u64)m,
                     .end = (u64)m + page_count * PAGE,
                     .vec = (u64)regions,
                     .vec_len = 32,
                     .mask = mask,
                     .any_of = any_of,
                     .return_mask = 4 | 8 | 16 | 32 | 64};
  int fd = (int)MUST(sys3(__NR_open, "/proc/self/pagemap", O_RDONLY, 0));
  long found = sys3(__NR_ioctl, fd, 0xc0606610, &arg);
  sys1(__NR_close, fd);
  result(what, found);
  for (long i = 0; i < found; ++i) {
    text(" ");
    dec((s64)(regions[i].start - (u64)m) / (s64)PAGE);
    text("..");
    dec((s64)(regions[i].end - (u64)m) / (s64)PAGE);
    text(" ");
    hex(regions[i].categories);
  }
  text(" up to ");
  dec((s64)(arg.walk_end - (u64)m) / (s64)PAGE);
  text("\n");
}

static void pagemap_scan(void) {
  char* m = private_at(fresh_place(), 12, kRw);
  write_pages(m, 3);
  read_pages(m + 5 * PAGE, 2);
  file_at(m + 8 * PAGE, 2, kRead, MAP_PRIVATE, numbered_file(2), 0);
  read_pages(m + 8 * PAGE, 1);
  scan("present", m, 12, 8, 0);
  scan("zero", m, 12, 32, 0);
  scan("file", m, 12, 4, 0);
  scan("any", m, 12, 0, 4 | 8 | 32);
}

static void smaps_of_private_memory(void) {
  char* m = private_at(fresh_place(), 8, kRw);
  smaps("untouched", m);
  write_pages(m, 3);
  read_pages(m + 4 * PAGE, 2);
  smaps("three written, two read", m);
}

static void smaps_of_shared_memory(void) {
  int fd = numbered_file(8);
  char* m = file_at(fresh_place(), 8, kRw, MAP_SHARED, fd, 0);
  char* n = file_at(fresh_place(), 8, kRead, MAP_SHARED, fd, 0);
  read_pages(m, 8);
  m[0] = 1;
  smaps("mapped once", m);
  read_pages(n, 8);
  smaps("mapped twice", m);
}

static void smaps_of_a_private_file(void) {
  char* m = file_at(fresh_place(), 8, kRw, MAP_PRIVATE, numbered_file(8), 0);
  read_pages(m, 8);
  m[3 * PAGE] = 1;
  smaps("one copied", m);
}

static void smaps_of_locked_memory(void) {
  char* m = private_at(fresh_place(), 4, kRw);
  MUST(sys2(__NR_mlock, m, 4 * PAGE));
  smaps("locked", m);
}

static void smaps_flags(void) {
  char* m = fresh_place();
  private_at(m, 1, PROT_NONE);
  smaps("none", m);
  private_at(m + 2 * PAGE, 1, kRead | PROT_EXEC);
  smaps("executable", m + 2 * PAGE);
  private_at(m + 4 * PAGE, 1, kRw);
  MUST(sys3(__NR_madvise, m + 4 * PAGE, PAGE, 10));
  MUST(sys3(__NR_madvise, m + 4 * PAGE, PAGE, 16));
  smaps("advised", m + 4 * PAGE);
  MUST(sysmmap(m + 600 * PAGE, PAGE, kRw, kPrivate | MAP_FIXED | MAP_GROWSDOWN | MAP_NORESERVE, -1, 0));
  smaps("growing", m + 600 * PAGE);
  shared_at(m + 8 * PAGE, 1, kRead);
  smaps("shared", m + 8 * PAGE);
}

static void mincore_of_everything(void) {
  char* m = private_at(fresh_place(), 8, kRw);
  write_pages(m, 2);
  read_pages(m + 3 * PAGE, 1);
  resident("anonymous", m, 8);
  char* f = file_at(fresh_place(), 8, kRw, MAP_SHARED, numbered_file(8), 0);
  resident("file, not mapped yet", f, 8);
  char* hole = fresh_place();
  resident("hole", hole, 1);
  result("unaligned", sys3(__NR_mincore, m + 1, PAGE, m));
  result("bad vector", sys3(__NR_mincore, m, PAGE, hole));
  result("nothing", sys3(__NR_mincore, m, 0, m));
  result("wraps", sys3(__NR_mincore, m, -PAGE, m));
}

static void status_follows(void) {
  static const char* const fields[] = {"VmSize:", "VmLck:", "VmPin:", "VmRSS:", "RssAnon:", "RssFile:",     "RssShmem:",
                                       "VmData:", "VmStk:", "VmExe:", "VmLib:", "VmSwap:",  "HugetlbPages:"};
  static s64 before[16];
  enum { kFields = sizeof fields / sizeof fields[0] };
  for (int i = 0; i < kFields; ++i) before[i] = status(fields[i]);
  write_pages(private_at(fresh_place(), 16, kRw), 8);
  read_pages(private_at(fresh_place(), 16, kRead), 8);
  write_pages(shared_at(fresh_place(), 16, kRw), 8);
  read_pages(file_at(fresh_place(), 16, kRead, MAP_PRIVATE, numbered_file(16), 0), 16);
  char* locked = private_at(fresh_place(), 4, kRw);
  MUST(sys2(__NR_mlock, locked, 4 * PAGE));
  for (int i = 0; i < kFields; ++i) status_since(fields[i], before[i]);
}

static void maps_of_the_program(void) {
  // The program's own segments; what is above them differs by the vDSO.
  maps("program", (void*)0x400000, 64);
  int fd = (int)MUST(sys3(__NR_open, "/proc/self/maps", O_RDONLY, 0));
  static char line_bytes[200];
  long n = MUST(sys3(__NR_read, fd, line_bytes, 60));
  result("a short read gives a part", n > 0 && n <= 60);
  hash("its start", line_bytes, 25);
}

static void statm_agrees(void) {
  static char words[200];
  write_pages(private_at(fresh_place(), 16, kRw), 16);
  s64 size = status("VmSize:"), rss = status("VmRSS:");
  int fd = (int)MUST(sys3(__NR_open, "/proc/self/statm", O_RDONLY, 0));
  MUST(sys3(__NR_read, fd, words, sizeof words - 1));
  s64 numbers[7] = {0};
  const char* at = words;
  for (int i = 0; i < 7; ++i, ++at)
    for (; *at >= '0' && *at <= '9'; ++at) numbers[i] = numbers[i] * 10 + (*at - '0');
  result("size", numbers[0] * 4 == size);
  result("resident", numbers[1] * 4 == rss);
  result("lib", numbers[4]);
  result("dirty", numbers[6]);
}

static void write_through_mem(void) {
  char* m = private_at(fresh_place(), 2, kRw);
  write_pages(m, 2);
  MUST(sys3(__NR_mprotect, m, 2 * PAGE, kRead));
  char* f = file_at(fresh_place(), 2, kRead, MAP_PRIVATE, numbered_file(2), 0);
  read_pages(f, 2);
  int fd = (int)MUST(sys3(__NR_open, "/proc/self/mem", O_RDWR, 0));
  mark();
  result("to read-only memory", sys4(__NR_pwrite64, fd, "forced", 6, (u64)m));
  result("to a read-only file page", sys4(__NR_pwrite64, fd, "forced", 6, (u64)f));
  tell("copies");
  result("there", m[0]);
  result("there", f[0]);
  pages("own pages", m, 2);
  pages("a copy", f, 2);
  report("still read-only", probe_store(m), m);
  report("still read-only", probe_store(f), f);
  char* shared = file_at(fresh_place(), 1, kRead, MAP_SHARED, numbered_file(1), 0);
  result("shared and read-only", sys4(__NR_pwrite64, fd, "forced", 6, (u64)shared));
  result("to nothing", sys4(__NR_pwrite64, fd, "forced", 6, (u64)fresh_place()));
  static char bytes[8];
  result("read back", sys4(__NR_pread64, fd, bytes, 6, (u64)m));
  result("read from nothing", sys4(__NR_pread64, fd, bytes, 6, (u64)fresh_place()));
}

static void clear_refs(void) {
  char* m = private_at(fresh_place(), 256, kRw);
  write_pages(m, 256);
  MUST(sys2(__NR_munmap, m, 256 * PAGE));
  int fd = (int)MUST(sys3(__NR_open, "/proc/self/clear_refs", O_WRONLY, 0));
  result("reset the high-water mark", sys3(__NR_write, fd, "5", 1));
  result("down to what there is", status("VmHWM:") - status("VmRSS:") < 400);
  result("all", sys3(__NR_write, fd, "1", 1));
  result("no such", sys3(__NR_write, fd, "7", 1));
  result("not a number", sys3(__NR_write, fd, "x", 1));
}

const struct known_case cases[] = {
    {"pagemap_of_everything", pagemap_of_everything},
    {"pagemap_by_offset", pagemap_by_offset},
    {"pagemap_scan", pagemap_scan},
    {"smaps_of_private_memory", smaps_of_private_memory},
    {"smaps_of_shared_memory", smaps_of_shared_memory},
    {"smaps_of_a_private_file", smaps_of_a_private_file},
    {"smaps_of_locked_memory", smaps_of_locked_memory},
    {"smaps_flags", smaps_flags},
    {"mincore_of_everything", mincore_of_everything},
    {"status_follows", status_follows},
    {"maps_of_the_program", maps_of_the_program},
    {"statm_agrees", statm_agrees},
    {"write_through_mem", write_through_mem},
    {"clear_refs", clear_refs},
    {0, 0},
};
