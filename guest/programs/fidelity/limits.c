// Limits and policies that refuse memory (section 2).
#include "guest/programs/fidelity/cases.h"

#include <linux/resource.h>

static void set_limit(int what, u64 bytes) {
  u64 limit[2];
  MUST(sys4(__NR_prlimit64, 0, what, 0, limit));
  limit[0] = bytes;
  MUST(sys4(__NR_prlimit64, 0, what, limit, 0));
}

static long map(u64 pages, int prot, int flags) { return sysmmap(0, pages * PAGE, prot, flags, -1, 0); }
static void outcome(const char* what, long value) { result(what, value < 0 && value > -4096 ? value : 0); }

static void address_space(void) {
  set_limit(RLIMIT_AS, (u64)(status("VmSize:") + 64) << 10);
  outcome("16 pages fit", map(16, kRw, kPrivate));
  outcome("one more does not", map(1, kRw, kPrivate));
  outcome("nor PROT_NONE", map(1, PROT_NONE, kPrivate));
  char* place = (char*)map(0, kRw, kPrivate);
  outcome("length zero comes first", (long)place);
  u64 top = (u64)sys1(__NR_brk, 0);
  result("brk stays", (u64)sys1(__NR_brk, top + 2 * PAGE) == top);
}

static void address_space_and_mremap(void) {
  char* m = private_at(fresh_place(), 4, kRw);
  set_limit(RLIMIT_AS, (u64)(status("VmSize:") + 8) << 10);
  outcome("grow by two", sys4(__NR_mremap, m, 4 * PAGE, 6 * PAGE, 0));
  outcome("grow by more", sys4(__NR_mremap, m, 6 * PAGE, 8 * PAGE, 0));
  outcome("replace in place", sysmmap(m, 6 * PAGE, kRw, kPrivate | MAP_FIXED, -1, 0));
}

static void data(void) {
  set_limit(RLIMIT_DATA, (u64)(status("VmData:") + 64) << 10);
  outcome("16 pages fit", map(16, kRw, kPrivate));
  outcome("one more does not", map(1, kRw, kPrivate));
  outcome("read-only does not count", map(64, kRead, kPrivate));
  outcome("nor shared", map(64, kRw, MAP_SHARED | MAP_ANONYMOUS));
  char* m = (char*)map(4, kRead, kPrivate);
  outcome("mprotect makes it count", sys3(__NR_mprotect, m, 4 * PAGE, kRw));
}

static void data_and_brk(void) {
  u64 top = (u64)sys1(__NR_brk, 0);
  u64 base = (top + PAGE - 1) & ~(PAGE - 1);
  set_limit(RLIMIT_DATA, 256 << 10);
  result("within", (u64)sys1(__NR_brk, base + 2 * PAGE) == base + 2 * PAGE);
  result("beyond", (u64)sys1(__NR_brk, base + (1 << 20)) == base + 2 * PAGE);
}

static void locked(void) {
  char* m = private_at(fresh_place(), 8, kRw);
  set_limit(RLIMIT_MEMLOCK, 4 * PAGE);
  outcome("four", sys2(__NR_mlock, m, 4 * PAGE));
  outcome("eight", sys2(__NR_mlock, m, 8 * PAGE));
  result("VmLck", status("VmLck:"));
  outcome("MAP_LOCKED", map(8, kRw, kPrivate | MAP_LOCKED));
  outcome("the same four again", sys2(__NR_mlock, m, 4 * PAGE));
}

static void stack_limit_read_back(void) {
  u64 limit[2] = {0, 0};
  set_limit(RLIMIT_STACK, 1 << 20);
  MUST(sys4(__NR_prlimit64, 0, RLIMIT_STACK, 0, limit));
  result("soft", (long)limit[0]);
  limit[0] = limit[1] + 1;
  if (limit[1] != RLIM64_INFINITY) outcome("soft above hard", sys4(__NR_prlimit64, 0, RLIMIT_STACK, limit, 0));
  outcome("no such limit", sys4(__NR_prlimit64, 0, 16, 0, limit));
}

static void overcommit(void) {
  outcome("64 TiB to write", map(1UL << 34, kRw, kPrivate));
  outcome("64 TiB not reserved", map(1UL << 34, kRw, kPrivate | MAP_NORESERVE));
  outcome("64 TiB read-only", map(1UL << 34, kRead, kPrivate));
  outcome("more than there are addresses", map(1UL << 36, kRead, kPrivate));
  outcome("a length that wraps", sysmmap(0, -1UL, kRead, kPrivate, -1, 0));
}

static void sealed(void) {
  char* m = private_at(fresh_place(), 4, kRw);
  write_pages(m, 4);
  outcome("mseal", sys3(462, m + PAGE, 2 * PAGE, 0));
  maps("split", m, 4);
  outcome("mprotect", sys3(__NR_mprotect, m + PAGE, PAGE, kRead));
  outcome("munmap", sys2(__NR_munmap, m, 4 * PAGE));
  outcome("mremap", sys4(__NR_mremap, m + PAGE, PAGE, 2 * PAGE, 1));
  outcome("mmap over it", sysmmap(m + PAGE, PAGE, kRw, kPrivate | MAP_FIXED, -1, 0));
  outcome("DONTNEED of writable memory", sys3(__NR_madvise, m + PAGE, PAGE, 4));
  outcome("a part that is not sealed", sys3(__NR_mprotect, m, PAGE, kRead));
  outcome("seal again", sys3(462, m + PAGE, 2 * PAGE, 0));
  outcome("with flags", sys3(462, m, PAGE, 1));
  outcome("unaligned", sys3(462, m + 1, PAGE, 0));
  outcome("over a hole", sys3(462, m + 3 * PAGE, 4 * PAGE, 0));
  report("it can be written", probe_store(m + PAGE), m);
  result("contents", m[2 * PAGE]);
}

static void sealed_read_only(void) {
  char* m = private_at(fresh_place(), 2, kRw);
  write_pages(m, 2);
  MUST(sys3(__NR_mprotect, m, 2 * PAGE, kRead));
  outcome("mseal", sys3(462, m, 2 * PAGE, 0));
  outcome("DONTNEED", sys3(__NR_madvise, m, PAGE, 4));
  outcome("FREE", sys3(__NR_madvise, m, PAGE, 8));
  outcome("COLD", sys3(__NR_madvise, m, PAGE, 20));
  outcome("DONTFORK", sys3(__NR_madvise, m, PAGE, 10));
  result("contents", m[0]);
}

static void droppable(void) {
  enum { kDroppable = 8 };
  long m = map(2, kRw, kDroppable | MAP_ANONYMOUS);
  outcome("MAP_DROPPABLE", m);
  if (m > 0) {
    report("write", probe_store((char*)m), (char*)m);
    maps("rights", (char*)m, 2);
    outcome("mlock", sys2(__NR_mlock, m, PAGE));
    outcome("DODUMP", sys3(__NR_madvise, m, PAGE, 17));
    outcome("KEEPONFORK", sys3(__NR_madvise, m, PAGE, 19));
    outcome("WIPEONFORK", sys3(__NR_madvise, m, PAGE, 18));
  }
  outcome("of a file", sysmmap(0, PAGE, kRw, kDroppable, numbered_file(1), 0));
  outcome("no type of mapping", map(1, kRw, MAP_ANONYMOUS));
  outcome("type 4", map(1, kRw, 4 | MAP_ANONYMOUS));
}

static void guard_rules(void) {
  enum { kInstall = 102, kRemove = 103 };
  char* m = private_at(fresh_place(), 4, kRw);
  write_pages(m, 4);
  outcome("install over pages", sys3(__NR_madvise, m + PAGE, 2 * PAGE, kInstall));
  outcome("install again", sys3(__NR_madvise, m + PAGE, 2 * PAGE, kInstall));
  maps("one area still", m, 4);
  outcome("DONTNEED leaves it", sys3(__NR_madvise, m, 4 * PAGE, 4));
  report("guard", probe_load(m + PAGE), m);
  report("beside it", probe_load(m), m);
  outcome("mprotect leaves it", sys3(__NR_mprotect, m, 4 * PAGE, kRead));
  report("guard", probe_load(m + 2 * PAGE), m);
  outcome("remove", sys3(__NR_madvise, m, 4 * PAGE, kRemove));
  report("gone", probe_load(m + PAGE), m);
  char* locked = private_at(fresh_place(), 1, kRw);
  MUST(sys2(__NR_mlock, locked, PAGE));
  outcome("in locked memory", sys3(__NR_madvise, locked, PAGE, kInstall));
  char* file = file_at(fresh_place(), 2, kRead, MAP_PRIVATE, numbered_file(2), 0);
  outcome("over a file", sys3(__NR_madvise, file, PAGE, kInstall));
  report("guard over a file", probe_load(file), file);
  outcome("over nothing", sys3(__NR_madvise, m + 8 * PAGE, PAGE, kInstall));
}

const struct known_case cases[] = {
    {"address_space", address_space},
    {"address_space_and_mremap", address_space_and_mremap},
    {"data", data},
    {"data_and_brk", data_and_brk},
    {"locked", locked},
    {"stack_limit_read_back", stack_limit_read_back},
    {"overcommit", overcommit},
    {"sealed", sealed},
    {"sealed_read_only", sealed_read_only},
    {"droppable", droppable},
    {"guard_rules", guard_rules},
    {0, 0},
};
