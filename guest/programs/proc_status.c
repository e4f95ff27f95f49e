// What /proc/self/status, statm and stat tell before and after operations, as differences.
#include "guest/programs/proc_text.h"

enum { kPages = 300, kRw = PROT_READ | PROT_WRITE };

static const char* const kLabels[] = {
    "VmSize:", "VmLck:", "VmRSS:", "RssAnon:", "RssShmem:", "VmData:", "VmStk:", "VmPTE:", "VmSwap:", "HugetlbPages:"};
enum { kCount = sizeof kLabels / sizeof kLabels[0] };
static s64 before[kCount], size_pages, resident_pages;

static s64 second_number(const char* p) {
  while (*p && *p != ' ') ++p;
  return field(p, " ");
}

// Kilobytes since the last call, where they changed; statm must agree.
static void show(const char* what) {
  MUST(slurp("/proc/self/status"));
  if (what) text(what);
  for (u64 i = 0; i < kCount; ++i) {
    s64 now = field(proc_bytes, kLabels[i]);
    if (what && now != before[i]) {
      text(" ");
      text(kLabels[i]);
      dec(now - before[i]);
    }
    before[i] = now;
  }
  MUST(slurp("/proc/self/statm"));
  s64 size = field(proc_bytes, ""), resident = second_number(proc_bytes);
  if (what) {
    text(" statm ");
    dec(size - size_pages);
    text(" ");
    dec(resident - resident_pages);
    text("\n");
  }
  size_pages = size, resident_pages = resident;
}

static void touch(char* memory, u64 pages, u64 step) {
  for (u64 i = 0; i < pages; i += step) *(volatile char*)(memory + i * PAGE) = 1;
}

static void memory(void) {
  show(0);
  show(0);
  char* m = (char*)MUST(sysmmap(fresh_place(), kPages * PAGE, kRw, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
  show("mapped");
  touch(m, kPages, 1);
  show("written");
  MUST(sys3(__NR_mprotect, m, 100 * PAGE, PROT_READ));
  show("read-only");
  MUST(sys3(__NR_madvise, m, kPages * PAGE, MADV_DONTNEED));
  show("dropped");
  touch(m + 100 * PAGE, kPages - 100, 7);
  MUST(sys2(__NR_mlock, m + 200 * PAGE, 50 * PAGE));
  show("locked");
  MUST(sys2(__NR_munmap, m, kPages * PAGE));
  show("unmapped");
  char* s = (char*)MUST(sysmmap(fresh_place(), kPages * PAGE, kRw, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
  touch(s, kPages, 2);
  show("shared");
  for (u64 i = 0; i < 8; ++i)
    touch((char*)MUST(sysmmap(fresh_place(), PAGE, kRw, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0)), 1, 1);
  show("far apart");
  char* start = (char*)sys1(__NR_brk, 0);
  sys1(__NR_brk, start + 40 * PAGE);
  touch(start, 40, 1);
  show("heap");
}

static void peak(void) {
  char* m = anonymous(2000);
  touch(m, 2000, 1);
  MUST(sys2(__NR_munmap, m, 2000 * PAGE));
  MUST(slurp("/proc/self/status"));
  text("peak above now: ");
  dec(field(proc_bytes, "VmHWM:") - field(proc_bytes, "VmRSS:") >= 1900 * 4);
  text(" size too: ");
  dec(field(proc_bytes, "VmPeak:") - field(proc_bytes, "VmSize:") >= 1900 * 4);
  long fd = MUST(sys3(__NR_open, "/proc/self/clear_refs", O_WRONLY, 0));
  MUST(sys3(__NR_write, fd, "5", 1));
  MUST(slurp("/proc/self/status"));
  text(" after 5: ");
  dec(field(proc_bytes, "VmHWM:") - field(proc_bytes, "VmRSS:"));
  text("\n");
}

static void signals(void) {
  catch_faults();
  struct sigaction ignore = {0};
  ignore.sa_handler = (__sighandler_t)1;
  MUST(sys4(__NR_rt_sigaction, SIGUSR2, &ignore, 0, 8));
  u64 mask = 1UL << (SIGUSR1 - 1) | 1UL << (SIGHUP - 1);
  MUST(sys4(__NR_rt_sigprocmask, 0, &mask, 0, 8));
  MUST(sys2(__NR_kill, sys0(__NR_getpid), SIGHUP));
  MUST(slurp("/proc/self/status"));
  static const char* const kShown[] = {"SigPnd:", "ShdPnd:", "SigBlk:", "SigCgt:", "Threads:", "State:"};
  for (u64 i = 0; i < sizeof kShown / sizeof kShown[0]; ++i) show_line(proc_bytes, kShown[i]);
}

static void labels(void) {
  MUST(slurp("/proc/self/status"));
  text("labels:");
  for (const char* at = proc_bytes; *at; ++at) {
    text(" ");
    while (*at && *at != ':') {
      char one[2] = {*at++, 0};
      text(one);
    }
    while (*at && *at != '\n') ++at;
  }
  text("\n");
}

int run(int argc, char** argv) {
  (void)argc;
  (void)argv;
  labels();
  memory();
  peak();
  signals();
  MUST(sys2(__NR_prctl, 15, "a\\name\nof two"));
  MUST(slurp("/proc/self/status"));
  show_line(proc_bytes, "Name:");
  MUST(slurp("/proc/self/comm"));
  text(proc_bytes);
  long fd = MUST(sys3(__NR_open, "/proc/self/comm", O_WRONLY, 0));
  line("write", sys3(__NR_write, fd, "a name longer than fifteen", 26));
  MUST(slurp("/proc/self/comm"));
  text(proc_bytes);
  return 0;
}
