// The other files of /proc/self: arguments, limits, links, settings, how they are read and refused.
#include "guest/programs/proc_text.h"

static void show_file(const char* path) {
  text(path);
  text(": ");
  long n = slurp(path);
  if (n < 0) {
    line("error", n);
    return;
  }
  text("\n");
  text(proc_bytes);
  text("\n");
}

static void arguments(void) {
  long n = MUST(slurp("/proc/self/cmdline"));
  for (long i = 0; i < n;) {
    // The program's own path is the harness's business.
    if (i > 0) {
      text(proc_bytes + i);
      text("|");
    }
    while (i < n && proc_bytes[i]) ++i;
    ++i;
  }
  text("\n");
  n = MUST(slurp("/proc/self/auxv"));
  line("auxv whole", n % 16);
  text("keys:");
  for (long i = 0; i < n / 16; ++i) {
    u64 key = ((u64*)proc_bytes)[2 * i];
    if (key == 33 || key == 1) continue;  // AT_SYSINFO_EHDR: there is no vDSO in the guest
    text(" ");
    dec((s64)key);
  }
  text("\n");
}

static void links(void) {
  static char target[256];
  static const char* const kLinks[] = {"/proc/self",      "/proc/thread-self",  "/proc/self/fd/100", "/proc/self/root",
                                       "/proc/self/maps", "/proc/self/nothing", "/proc/self/task"};
  for (u64 i = 0; i < sizeof kLinks / sizeof kLinks[0]; ++i) {
    text(kLinks[i]);
    line(" is a link", sys3(__NR_readlink, kLinks[i], target, sizeof target) > 0);
  }
  static const char* const kPaths[] = {
      "/proc/self/maps",       "/proc/self/mem", "/proc/self/fd",   "/proc/self/task", "/proc/self/nothing",
      "/proc/self/clear_refs", "/proc/self",     "/proc/self/comm", "/proc/meminfo",   "/proc/4194303/status"};
  static u64 st[18];
  for (u64 i = 0; i < sizeof kPaths / sizeof kPaths[0]; ++i) {
    text(kPaths[i]);
    long r = sys2(__NR_stat, kPaths[i], st);
    if (r < 0) {
      line(" stat", r);
      continue;
    }
    text(" mode ");
    hex(st[3] & 0xffffffff);
    line(" size", i == 2 ? 0 : (s64)st[6]);  // of fd it is the number of descriptors
  }
  line("lstat", sys2(__NR_lstat, "/proc/self", st));
  hex(st[3] & 0xffffffff);
  text("\n");
}

static void opens(void) {
  static const struct {
    const char* path;
    int flags;
  } kOpens[] = {{"/proc/self/maps", O_RDONLY | O_DIRECTORY},   {"/proc/self/task", O_WRONLY},
                {"/proc/self/task", O_RDONLY | O_DIRECTORY},   {"/proc/self/status", O_RDONLY | O_CREAT | O_EXCL},
                {"/proc/self/fd/0", O_RDONLY | O_NOFOLLOW},    {"/proc/self/nothing", O_RDONLY | O_CREAT},
                {"/proc/self/clear_refs", O_WRONLY | O_TRUNC}, {"/proc/self/maps", O_PATH}};
  for (u64 i = 0; i < sizeof kOpens / sizeof kOpens[0]; ++i) {
    text("open ");
    text(kOpens[i].path);
    long fd = sys3(__NR_open, kOpens[i].path, kOpens[i].flags, 0644);
    line("", fd < 0 ? fd : 0);
    if (fd >= 0) sys1(__NR_close, fd);
  }
}

static void clearing(void) {
  long fd = MUST(sys3(__NR_open, "/proc/self/clear_refs", O_WRONLY, 0));
  static const char* const kWords[] = {"1", "2", "3", "4", "5", "6", "0", "x", "1\n", " 1 ", "11", "-1", "", "1x"};
  for (u64 i = 0; i < sizeof kWords / sizeof kWords[0]; ++i) {
    u64 length = 0;
    while (kWords[i][length]) ++length;
    text("clear ");
    line(kWords[i], sys3(__NR_write, fd, kWords[i], length));
  }
  line("read", sys3(__NR_read, fd, proc_bytes, 8));
}

// How much one read gives: whole records up to a page.
static void reading(void) {
  long fd = MUST(sys3(__NR_open, "/proc/self/status", O_RDONLY, 0));
  line("ten", sys3(__NR_read, fd, proc_bytes, 10));
  long rest = sys3(__NR_read, fd, proc_bytes + 10, 60000);
  line("rest", rest > 1000);
  line("end", sys3(__NR_read, fd, proc_bytes, 60000));
  line("seek", sys3(__NR_lseek, fd, 3, 0));
  line("again", sys3(__NR_read, fd, proc_bytes + 100, 7));
  for (u64 i = 0; i < 7; ++i) {
    char one[2] = {proc_bytes[100 + i], 0};
    text(one);
  }
  text("\n");
  line("pread", sys4(__NR_pread64, fd, proc_bytes, 4, 0));
  line("beyond", sys4(__NR_pread64, fd, proc_bytes, 4, 100000));
  line("seek to the end", sys3(__NR_lseek, fd, 0, 2));
  line("seek below", sys3(__NR_lseek, fd, -5, 0));
  line("bad buffer", sys3(__NR_read, fd, 8, 8));
  line("write", sys3(__NR_write, fd, "x", 1));
  line("ioctl", sys3(__NR_ioctl, fd, 0x1234, 0));
  line("map", sysmmap(0, PAGE, PROT_READ, MAP_PRIVATE, fd, 0));
  fd = MUST(sys3(__NR_open, "/proc/self/smaps", O_RDONLY, 0));
  long n = MUST(sys3(__NR_read, fd, proc_bytes, 60000));
  line("at most a page", n <= (long)PAGE);
  line("a whole record", proc_bytes[n - 1] == '\n' && n > 600);
}

struct query {
  u64 size, flags, address, start, end, vma_flags, page_size, offset, inode;
  unsigned major, minor, name_size, build_id_size;
  u64 name, build_id;
};
static void ask(const char* what, struct query q, u64 base) {
  static long maps;
  static char name[64];
  if (!maps) maps = MUST(sys3(__NR_open, "/proc/self/maps", O_RDONLY, 0));
  if (q.size == 0) q.size = sizeof q;
  if (q.name == 1) q.name = (u64)name;
  long r = sys3(__NR_ioctl, maps, 0xc0686611, &q);
  text(what);
  text(": ");
  dec(r);
  if (r == 0) {
    text(" pages ");
    dec((s64)(q.start - base) / (s64)PAGE);
    text(" to ");
    dec((s64)(q.end - base) / (s64)PAGE);
    line(" flags", (s64)q.vma_flags);
    line("offset", (s64)q.offset);
    line("name", q.name_size);
    if (q.name_size > 0) text(name);
  }
  text("\n");
}

static void queries(void) {
  char* place = fresh_place();
  MUST(sysmmap(place, 4 * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
  int fd = numbered_file(8);
  MUST(sysmmap(place + 8 * PAGE, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 2 * PAGE));
  u64 b = (u64)place;
  ask("covered", (struct query){.address = b + 5}, b);
  ask("in the gap", (struct query){.address = b + 5 * PAGE}, b);
  ask("next", (struct query){.flags = 0x10, .address = b + 5 * PAGE}, b);
  ask("file", (struct query){.flags = 0x30, .address = b}, b);
  ask("file covering", (struct query){.flags = 0x20, .address = b}, b);
  ask("writable", (struct query){.flags = 0x12, .address = b}, b);
  ask("writable covering", (struct query){.flags = 2, .address = b}, b);
  ask("name", (struct query){.address = b + 8 * PAGE, .name = 1, .name_size = 64}, b);
  ask("short name", (struct query){.address = b + 8 * PAGE, .name = 1, .name_size = 4}, b);
  ask("no name", (struct query){.address = b, .name = 1, .name_size = 64}, b);
  ask("name nowhere", (struct query){.address = b, .name_size = 4}, b);
  ask("unknown flag", (struct query){.flags = 0x40, .address = b}, b);
  ask("short", (struct query){.size = 16, .address = b}, b);
  ask("long", (struct query){.size = 5000, .address = b}, b);
  ask("above everything", (struct query){.flags = 0x10, .address = ~0UL}, b);
}

static void settings(void) {
  long fd = MUST(sys3(__NR_open, "/proc/self/oom_score_adj", O_RDWR, 0));
  line("write", sys3(__NR_write, fd, "500", 3));
  line("too much", sys3(__NR_write, fd, "1001", 4));
  line("no number", sys3(__NR_write, fd, "many", 4));
  show_file("/proc/self/oom_score_adj");
  show_file("/proc/sys/vm/max_map_count");
  show_file("/proc/sys/vm/mmap_min_addr");
  show_file("/proc/swaps");
}

int run(int argc, char** argv) {
  (void)argc;
  (void)argv;
  arguments();
  show_file("/proc/self/limits");
  links();
  opens();
  clearing();
  reading();
  queries();
  settings();
  return 0;
}
