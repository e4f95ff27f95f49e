// Pss, sharing and the exclusive bit while a child has the same pages, and one process's files
// read by another.
#include "guest/programs/proc_text.h"

enum { kPages = 16, kRw = PROT_READ | PROT_WRITE };

static const char* const kLabels[] = {
    "Rss:", "Pss:", "Pss_Dirty:", "Shared_Clean:", "Shared_Dirty:", "Private_Clean:", "Private_Dirty:", "Anonymous:"};

static char path[64];
static const char* proc_of(long pid, const char* name) {
  char digits[16];
  int used = 0;
  do digits[used++] = (char)('0' + pid % 10);
  while ((pid /= 10) != 0);
  char* p = path;
  for (const char* s = "/proc/"; *s; ++s) *p++ = *s;
  while (used > 0) *p++ = digits[--used];
  *p++ = '/';
  for (; *name; ++name) *p++ = *name;
  *p = 0;
  return path;
}

static void show(const char* what, long pid, const void* mapping) {
  MUST(slurp(proc_of(pid, "smaps")));
  const char* record = record_of(proc_bytes, mapping);
  text(what);
  text(":");
  for (u64 i = 0; record && i < sizeof kLabels / sizeof kLabels[0]; ++i) {
    s64 value = field(record, kLabels[i]);
    if (value == 0) continue;
    text(" ");
    text(kLabels[i]);
    dec(value);
  }
  static u64 entries[kPages];
  long fd = MUST(sys3(__NR_open, proc_of(pid, "pagemap"), O_RDONLY, 0));
  MUST(sys4(__NR_pread64, fd, entries, sizeof entries, (u64)mapping / PAGE * 8));
  sys1(__NR_close, fd);
  text(" bits");
  for (u64 i = 0; i < kPages; i += 2) {
    text(" ");
    hex(entries[i] >> 55);
  }
  text("\n");
}

static void touch(char* memory, u64 from, u64 to) {
  for (u64 i = from; i < to; ++i) *(volatile char*)(memory + i * PAGE) = 1;
}

static char* anonymous_memory;
static char* shared_memory;

static _Noreturn void child(long ready, long go) {
  char byte;
  touch(anonymous_memory, 0, 4);
  touch(shared_memory, 8, 10);
  sys3(__NR_write, ready, "1", 1);
  sys3(__NR_read, go, &byte, 1);
  for (;;) sys1(__NR_exit_group, 0);
}

int run(int argc, char** argv) {
  (void)argc;
  (void)argv;
  anonymous_memory =
      (char*)MUST(sysmmap(fresh_place(), kPages * PAGE, kRw, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
  shared_memory =
      (char*)MUST(sysmmap(fresh_place(), kPages * PAGE, kRw, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
  touch(anonymous_memory, 0, 8);
  touch(shared_memory, 0, 8);
  long self = sys0(__NR_getpid);
  show("alone", self, anonymous_memory);
  int ready[2], go[2];
  MUST(sys2(__NR_pipe2, ready, 0));
  MUST(sys2(__NR_pipe2, go, 0));
  flush();
  long pid = MUST(sys0(__NR_fork));
  if (pid == 0) child(ready[1], go[0]);
  char byte;
  MUST(sys3(__NR_read, ready[0], &byte, 1));
  show("parent", self, anonymous_memory);
  show("child", pid, anonymous_memory);
  show("shared, parent", self, shared_memory);
  show("shared, child", pid, shared_memory);
  long mem = MUST(sys3(__NR_open, proc_of(pid, "mem"), O_RDWR, 0));
  line("write into the child", sys4(__NR_pwrite64, mem, "x", 1, anonymous_memory + 5 * PAGE));
  line("not into the parent", anonymous_memory[5 * PAGE]);
  show("child after it", pid, anonymous_memory);
  MUST(slurp(proc_of(pid, "status")));
  line("its parent", field(proc_bytes, "PPid:") == self);
  show_line(proc_bytes, "VmData:");
  MUST(sys3(__NR_write, go[1], "1", 1));
  MUST(sys4(__NR_wait4, pid, 0, 0, 0));
  line("read of one that is gone", sys4(__NR_pread64, mem, &byte, 1, anonymous_memory));
  line("open of one that is gone", sys3(__NR_open, proc_of(pid, "status"), O_RDONLY, 0));
  show("alone again", self, anonymous_memory);
  return 0;
}
