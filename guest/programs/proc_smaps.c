// What /proc/self/smaps tells of mappings of every kind in every state.
#include "guest/programs/proc_text.h"

enum { kPages = 32 };

static const char* const kLabels[] = {
    "Size:",
    "KernelPageSize:",
    "MMUPageSize:",
    "Rss:",
    "Pss:",
    "Pss_Dirty:",
    "Shared_Clean:",
    "Shared_Dirty:",
    "Private_Clean:",
    "Private_Dirty:",
    "Anonymous:",
    "KSM:",
    "LazyFree:",
    "AnonHugePages:",
    "ShmemPmdMapped:",
    "FilePmdMapped:",
    "Shared_Hugetlb:",
    "Private_Hugetlb:",
    "Swap:",
    "SwapPss:",
    "Locked:",
    "THPeligible:",
};

// The figures that are not zero, and the flags.
static void show(const char* what, const void* mapping) {
  MUST(slurp("/proc/self/smaps"));
  const char* record = record_of(proc_bytes, mapping);
  text(what);
  text(":");
  if (!record) {
    text(" no mapping\n");
    return;
  }
  for (u64 i = 0; i < sizeof kLabels / sizeof kLabels[0]; ++i) {
    s64 value = field(record, kLabels[i]);
    if (value == 0) continue;
    text(" ");
    text(kLabels[i]);
    dec(value);
  }
  text(" ");
  show_line(record, "VmFlags:");
}

static char* map(u64 pages, int prot, int flags, int fd, u64 page) {
  return (char*)MUST(sysmmap(fresh_place(), pages * PAGE, prot, flags | MAP_FIXED, fd, page * PAGE));
}
static void touch(char* memory, u64 from, u64 to, int write) {
  for (u64 i = from; i < to; ++i) {
    volatile char* byte = memory + i * PAGE;
    if (write)
      *byte = 1;
    else
      (void)*byte;
  }
}

enum { kRw = PROT_READ | PROT_WRITE, kPrivate = MAP_PRIVATE | MAP_ANONYMOUS, kShared = MAP_SHARED | MAP_ANONYMOUS };

static void anonymous_memory(void) {
  char* m = map(kPages, kRw, kPrivate, -1, 0);
  show("untouched", m);
  touch(m, 0, 8, 0);
  show("read", m);
  touch(m, 4, 12, 1);
  show("written", m);
  MUST(sys3(__NR_madvise, m, 6 * PAGE, MADV_DONTNEED));
  show("dropped", m);
  MUST(sys3(__NR_mprotect, m, kPages * PAGE, PROT_NONE));
  show("no access", m);
  MUST(sys3(__NR_mprotect, m, kPages * PAGE, PROT_READ | PROT_EXEC));
  show("execute", m);
  MUST(sys3(__NR_mprotect, m, kPages * PAGE, kRw));
  MUST(sys2(__NR_mlock, m, kPages * PAGE));
  show("locked", m);
  MUST(sys2(__NR_munlock, m, kPages * PAGE));
  show("unlocked", m);
  MUST(sys2(__NR_munmap, m + 8 * PAGE, 8 * PAGE));
  show("cut", m);
  show("behind the cut", m + 16 * PAGE);
}

static void advice(void) {
  char* m = map(kPages, kRw, kPrivate, -1, 0);
  touch(m, 0, 4, 1);
  static const int kAdvice[] = {MADV_SEQUENTIAL, MADV_RANDOM,   MADV_DONTFORK,
                                MADV_WIPEONFORK, MADV_DONTDUMP, MADV_NORMAL};
  for (u64 i = 0; i < sizeof kAdvice / sizeof kAdvice[0]; ++i) {
    MUST(sys3(__NR_madvise, m, kPages * PAGE, kAdvice[i]));
    show("advised", m);
  }
  m = map(1024, kRw, kPrivate, -1, 0);
  MUST(sys3(__NR_madvise, m, 1024 * PAGE, MADV_NOHUGEPAGE));
  show("no huge pages", m);
  m = map(kPages, kRw, kPrivate | MAP_NORESERVE, -1, 0);
  show("no reserve", m);
  m = map(kPages, kRw, kPrivate | MAP_POPULATE, -1, 0);
  show("populated", m);
  MUST(sys3(__NR_mprotect, m, kPages * PAGE, PROT_READ));
  if (sys3(462, m, kPages * PAGE, 0) == 0) show("sealed", m);                                   // mseal
  m = (char*)sysmmap(fresh_place(), kPages * PAGE, kRw, MAP_ANONYMOUS | MAP_FIXED | 8, -1, 0);  // MAP_DROPPABLE
  if ((u64)m < ~4095UL) {
    touch(m, 0, 4, 1);
    show("droppable", m);
  }
}

static void files(void) {
  int fd = numbered_file(kPages);
  char* s = map(kPages, kRw, MAP_SHARED, fd, 0);
  touch(s, 0, 1, 0);
  show("shared file read", s);
  touch(s, 16, 20, 1);
  show("shared file written", s);
  char* p = map(kPages, kRw, MAP_PRIVATE, fd, 0);
  touch(p, 0, 1, 0);
  show("private file read", p);
  show("shared file of two", s);
  touch(p, 2, 6, 1);
  show("private file written", p);
  char* r = map(kPages, PROT_READ, MAP_SHARED, fd, 0);
  show("read-only shared file", r);
  char* a = map(kPages, kRw, kShared, -1, 0);
  touch(a, 0, 2, 0);
  touch(a, 4, 8, 1);
  show("shared anonymous", a);
  MUST(sys2(__NR_munmap, s, kPages * PAGE));
  show("private file alone", p);
}

static void rollup(void) {
  MUST(slurp("/proc/self/smaps_rollup"));
  const char* at = proc_bytes;
  while (*at && *at != '\n') ++at;
  text("rollup header");
  text(at[-1] == ']' && at[-8] == '[' ? " [rollup]\n" : " wrong\n");
  // Labels of every line, in order.
  while (*at) {
    ++at;
    while (*at && *at != ':' && *at != '\n') {
      char one[2] = {*at++, 0};
      text(one);
    }
    text(" ");
    while (*at && *at != '\n') ++at;
  }
  text("\n");
}

int run(int argc, char** argv) {
  (void)argc;
  (void)argv;
  anonymous_memory();
  advice();
  files();
  rollup();
  return 0;
}
