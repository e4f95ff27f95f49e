// Areas: which one decides, how they split, merge and are placed (section 2).
#include "guest/programs/fidelity/cases.h"

static void lowest_above(void) {
  char* place = fresh_place();
  private_at(place + 4 * PAGE, 2, kRw);
  private_at(place + 8 * PAGE, 2, kRw);
  for (int i = 3; i < 11; ++i) report("page", probe_store(place + i * PAGE + 8), place);
}

static void maperr_and_accerr(void) {
  char* place = fresh_place();
  private_at(place, 1, PROT_NONE);
  private_at(place + PAGE, 1, kRead);
  report("hole below", probe_load(place - 1), place);
  report("none", probe_load(place), place);
  report("read-only", probe_store(place + PAGE), place);
  report("hole above", probe_load(place + 2 * PAGE), place);
}

static void exec_only(void) {
  char* page = private_at(fresh_place(), 1, PROT_EXEC);
  report("read", probe_load(page), page);
  report("write", probe_store(page), page);
  maps("rights", page, 1);
}

static void write_only(void) {
  char* page = private_at(fresh_place(), 2, PROT_WRITE);
  mark();
  report("read", probe_load(page), page);
  tell("after the read");
  report("write", probe_store(page), page);
  tell("after the write");
  report("write elsewhere", probe_store(page + PAGE), page);
  report("exec", probe_call(page), page);
  maps("rights", page, 2);
}

static void write_exec(void) {
  char* page = private_at(fresh_place(), 1, PROT_WRITE | PROT_EXEC);
  for (int i = 0; i < 6; ++i) page[i] = probe_code[i];
  report("call", probe_call(page), page);
  report("read", probe_load(page), page);
}

// Calls code with a chosen %rax; 1 when that faulted.
static int call_with(const void* code, const void* rax) {
  long value = (long)rax;
  __asm__ volatile("sub $128, %%rsp\n call *%1\n add $128, %%rsp" : "+a"(value) : "r"(code) : "memory", "cc");
  return value == 1;
}

static void exec_absent(void) {
  char* page = private_at(fresh_place(), 1, PROT_READ | PROT_EXEC);
  mark();
  // A page of zeros is add %al,(%rax), and the page may not be written.
  report("call of zeros", call_with(page, page + 16), page);
  tell("the page came in");
}

static void split_by_mprotect(void) {
  char* m = private_at(fresh_place(), 8, kRw);
  maps("before", m, 8);
  MUST(sys3(__NR_mprotect, m + 2 * PAGE, 2 * PAGE, kRead));
  maps("middle", m, 8);
  MUST(sys3(__NR_mprotect, m, PAGE, kRead));
  maps("head", m, 8);
  MUST(sys3(__NR_mprotect, m + 7 * PAGE, PAGE, PROT_NONE));
  maps("tail", m, 8);
  MUST(sys3(__NR_mprotect, m + PAGE, PAGE, kRead));
  maps("between", m, 8);
  MUST(sys3(__NR_mprotect, m, 8 * PAGE, kRw));
  maps("after", m, 8);
}

static void split_by_munmap(void) {
  char* m = private_at(fresh_place(), 8, kRw);
  MUST(sys2(__NR_munmap, m + 3 * PAGE, PAGE));
  maps("hole", m, 8);
  MUST(sys2(__NR_munmap, m, PAGE));
  maps("head", m, 8);
  MUST(sys2(__NR_munmap, m + 7 * PAGE, PAGE));
  maps("tail", m, 8);
  MUST(sys2(__NR_munmap, m, 8 * PAGE));
  maps("all", m, 8);
}

static void merge_neighbours(void) {
  char* m = fresh_place();
  private_at(m, 2, kRw);
  private_at(m + 4 * PAGE, 2, kRw);
  maps("two", m, 6);
  private_at(m + 2 * PAGE, 2, kRw);
  maps("bridged", m, 6);
  private_at(m + 6 * PAGE, 2, kRead);
  maps("other rights", m, 8);
  MUST(sys3(__NR_mprotect, m + 6 * PAGE, 2 * PAGE, kRw));
  maps("same rights", m, 8);
}

static void merge_touched_neighbours(void) {
  // Two areas that were written separately have separate reverse maps: they stay apart.
  char* m = fresh_place();
  private_at(m, 1, kRw);
  private_at(m + 2 * PAGE, 1, kRw);
  m[0] = m[2 * PAGE] = 1;
  private_at(m + PAGE, 1, kRw);
  maps("bridge of two written areas", m, 3);
  char* n = fresh_place();
  private_at(n, 1, kRw);
  n[0] = 1;
  private_at(n + PAGE, 1, kRw);
  maps("written and fresh", n, 2);
}

static void no_merge_of_shared(void) {
  char* m = fresh_place();
  shared_at(m, 2, kRw);
  shared_at(m + 2 * PAGE, 2, kRw);
  maps("two objects", m, 4);
  MUST(sys3(__NR_mprotect, m + PAGE, PAGE, kRead));
  MUST(sys3(__NR_mprotect, m + PAGE, PAGE, kRw));
  maps("back again", m, 4);
}

static void merge_of_a_file(void) {
  int fd = numbered_file(8);
  char* m = fresh_place();
  file_at(m, 2, kRead, MAP_PRIVATE, fd, 0);
  file_at(m + 2 * PAGE, 2, kRead, MAP_PRIVATE, fd, 2);
  maps("in order", m, 4);
  file_at(m + 4 * PAGE, 2, kRead, MAP_PRIVATE, fd, 5);
  maps("a page left out", m, 6);
  file_at(m + 6 * PAGE, 1, kRead, MAP_SHARED, fd, 7);
  maps("shared", m, 7);
}

static void replace_by_fixed(void) {
  char* m = private_at(fresh_place(), 6, kRw);
  write_pages(m, 6);
  private_at(m + 2 * PAGE, 2, kRw);
  maps("replaced by its like", m, 6);
  result("fresh", m[2 * PAGE]);
  result("kept", m[4 * PAGE]);
  file_at(m + PAGE, 2, kRead, MAP_PRIVATE, numbered_file(2), 0);
  maps("by a file", m, 6);
  result("NOREPLACE", sysmmap(m, PAGE, kRw, kPrivate | MAP_FIXED_NOREPLACE, -1, 0));
}

static void split_by_madvise(void) {
  char* m = private_at(fresh_place(), 6, kRw);
  result("DONTFORK", sys3(__NR_madvise, m + PAGE, PAGE, 10));
  maps("split", m, 6);
  result("DONTDUMP", sys3(__NR_madvise, m + 3 * PAGE, PAGE, 16));
  maps("twice", m, 6);
  result("DOFORK", sys3(__NR_madvise, m + PAGE, PAGE, 11));
  maps("merged", m, 6);
  result("DODUMP", sys3(__NR_madvise, m, 6 * PAGE, 17));
  maps("whole", m, 6);
  result("RANDOM", sys3(__NR_madvise, m, PAGE, 1));
  maps("access pattern", m, 6);
  result("NORMAL", sys3(__NR_madvise, m, PAGE, 0));
  maps("normal again", m, 6);
}

static void split_by_mlock(void) {
  char* m = private_at(fresh_place(), 6, kRw);
  result("mlock", sys2(__NR_mlock, m + 2 * PAGE, 2 * PAGE));
  maps("split", m, 6);
  result("munlock a part", sys2(__NR_munlock, m + 2 * PAGE, PAGE));
  maps("part", m, 6);
  result("munlock", sys2(__NR_munlock, m, 6 * PAGE));
  maps("whole", m, 6);
}

static char* anywhere(u64 page_count) { return (char*)MUST(sysmmap(0, page_count * PAGE, kRw, kPrivate, -1, 0)); }

static void placed_top_down(void) {
  char* a = anywhere(4);
  char* b = (char*)MUST(sysmmap(0, 2 * PAGE, kRead, kPrivate, -1, 0));
  char* c = (char*)MUST(sysmmap(0, PAGE, PROT_NONE, kPrivate, -1, 0));
  result("second below first", (a - b) / (long)PAGE);
  result("third below second", (b - c) / (long)PAGE);
  MUST(sys2(__NR_munmap, b, 2 * PAGE));
  char* d = (char*)MUST(sysmmap(0, PAGE, kRead | PROT_EXEC, kPrivate, -1, 0));
  result("into the hole, at its top", (d - b) / (long)PAGE);
  char* e = (char*)MUST(sysmmap(0, 3 * PAGE, kRead, kPrivate, -1, 0));
  result("too large for it", (c - e) / (long)PAGE);
  maps("all", e, 10);
}

static void placed_beside_its_like(void) {
  char* a = anywhere(2);
  char* b = anywhere(3);
  result("adjacent", a - b == 3 * (long)PAGE);
  maps("one area", b, 5);
}

static void hints(void) {
  char* place = fresh_place();
  char* at = (char*)MUST(sysmmap(place + 123, PAGE, kRw, kPrivate, -1, 0));
  result("a free hint is rounded", at - place);
  char* second = (char*)MUST(sysmmap(place, PAGE, kRead, kPrivate, -1, 0));
  result("a taken one is not used", second != place);
  char* third = (char*)MUST(sysmmap(place - PAGE, 3 * PAGE, kRead, kPrivate, -1, 0));
  result("nor one that overlaps", third != place - PAGE);
  result("too low a hint is moved to the lowest", MUST(sysmmap(PAGE, PAGE, kRead, kPrivate, -1, 0)));
  result("the next finds it taken", MUST(sysmmap(PAGE, PAGE, kRw, kPrivate, -1, 0)) > 1L << 32);
  result("beyond the end", (u64)MUST(sysmmap(0x7fffffffe000, PAGE, kRead, kPrivate, -1, 0)) < 0x7ffffffff000);
  result("fixed beyond the end", sysmmap(0x7ffffffff000, PAGE, kRead, kPrivate | MAP_FIXED, -1, 0));
  result("fixed and unaligned", sysmmap(place + 1, PAGE, kRead, kPrivate | MAP_FIXED, -1, 0));
  result("fixed at zero", sysmmap(0, PAGE, kRead, kPrivate | MAP_FIXED, -1, 0) >= 0);
}

static void large_memory_is_aligned(void) {
  char* a = anywhere(1);
  char* b = anywhere(1024);
  result("4 MiB of memory on 2 MiB", (long)((u64)b & 0x1fffff));
  char* c = anywhere(1025);
  result("4 MiB and a page", (long)((u64)c & 0x1fffff));
  (void)a;
  int fd = numbered_file(1);
  MUST(sys2(__NR_ftruncate, fd, 4 << 20));
  char* d = (char*)MUST(sysmmap(0, 4 << 20, kRead, MAP_SHARED, fd, 0));
  result("4 MiB of a memfd", (long)((u64)d & 0x1fffff));
}

static void large_disk_file_is_aligned(void) {
  int fd = disk_file(1);
  MUST(sys2(__NR_ftruncate, fd, 4 << 20));
  char* d = (char*)MUST(sysmmap(0, 4 << 20, kRead, MAP_PRIVATE, fd, 0));
  result("4 MiB of a file on disk", (long)((u64)d & 0x1fffff));
  char* e = (char*)MUST(sysmmap(0, PAGE, kRead, MAP_PRIVATE, fd, 0));
  result("one page of it goes below", (d - e) / (long)PAGE);
}

static void growsdown_hint_gap(void) {
  char* place = fresh_place();
  MUST(sysmmap(place, 2 * PAGE, kRw, kPrivate | MAP_GROWSDOWN | MAP_FIXED, -1, 0));
  char* near = (char*)MUST(sysmmap(place - PAGE, PAGE, kRw, kPrivate, -1, 0));
  result("hint in the guard gap is refused", near != place - PAGE);
  char* edge = (char*)MUST(sysmmap(place - 257 * PAGE, PAGE, kRw, kPrivate, -1, 0));
  result("hint that leaves 256 pages", edge == place - 257 * PAGE);
  char* fixed = (char*)sysmmap(place - PAGE, PAGE, kRw, kPrivate | MAP_FIXED, -1, 0);
  result("fixed goes there", fixed == place - PAGE);
}

static void brk_moves(void) {
  u64 start = (u64)sys1(__NR_brk, 0);
  u64 base = (start + PAGE - 1) & ~(PAGE - 1);
  result("one byte", (long)((u64)sys1(__NR_brk, base + 1) - base));
  report("its page", probe_store((char*)base + PAGE - 1), (void*)base);
  report("the next", probe_store((char*)base + PAGE), (void*)base);
  result("three pages", (long)((u64)sys1(__NR_brk, base + 3 * PAGE) - base));
  maps("heap", (void*)base, 4);
  mark();
  write_pages((char*)base + PAGE, 2);
  tell("written");
  result("back to one", (long)((u64)sys1(__NR_brk, base + PAGE) - base));
  maps("smaller", (void*)base, 4);
  result("grow again", (long)((u64)sys1(__NR_brk, base + 2 * PAGE) - base));
  result("fresh", *((char*)base + PAGE));
  result("below the start", (u64)sys1(__NR_brk, base - (1 << 30)) == base + 2 * PAGE);
  private_at((char*)base + 4 * PAGE, 1, kRw);
  result("into another area", (u64)sys1(__NR_brk, base + 5 * PAGE) == base + 2 * PAGE);
  result("up to it", (u64)sys1(__NR_brk, base + 4 * PAGE) == base + 4 * PAGE);
}

static void too_many_areas(void) {
  char* place = fresh_place();
  long made = 0, error = 0;
  MUST(sysmmap(place, 70000UL * 2 * PAGE, PROT_NONE, kPrivate | MAP_FIXED, -1, 0));
  while (made < 40000 && (error = sys3(__NR_mprotect, place + 2 * made * PAGE, PAGE, kRead)) == 0) ++made;
  result("error", error);
  result("areas left", made > 32000 && made < 32768);
  result("mmap", sysmmap(0, PAGE, PROT_READ | PROT_EXEC, kPrivate, -1, 0));
  result("splitting munmap", sys2(__NR_munmap, place + 2 * (made + 10) * PAGE, PAGE));
  result("munmap that splits nothing", sys2(__NR_munmap, place, PAGE));
}

static void protection_keys(void) {
  result("pkey_alloc", sys2(__NR_pkey_alloc, 0, 0));
  result("pkey_alloc with flags", sys2(__NR_pkey_alloc, 1, 0));
  result("pkey_free of none", sys1(__NR_pkey_free, 1));
  char* page = private_at(fresh_place(), 1, kRw);
  result("pkey_mprotect without a key", sys4(__NR_pkey_mprotect, page, PAGE, kRead, -1));
  report("it is mprotect", probe_store(page), page);
  result("pkey_mprotect with one", sys4(__NR_pkey_mprotect, page, PAGE, kRead, 1));
  result("pkey_mprotect with key 0", sys4(__NR_pkey_mprotect, page, PAGE, kRw, 0));
}

const struct known_case cases[] = {
    {"lowest_above", lowest_above},
    {"maperr_and_accerr", maperr_and_accerr},
    {"exec_only", exec_only},
    {"write_only", write_only},
    {"write_exec", write_exec},
    {"exec_absent", exec_absent},
    {"split_by_mprotect", split_by_mprotect},
    {"split_by_munmap", split_by_munmap},
    {"merge_neighbours", merge_neighbours},
    {"merge_touched_neighbours", merge_touched_neighbours},
    {"no_merge_of_shared", no_merge_of_shared},
    {"merge_of_a_file", merge_of_a_file},
    {"replace_by_fixed", replace_by_fixed},
    {"split_by_madvise", split_by_madvise},
    {"split_by_mlock", split_by_mlock},
    {"placed_top_down", placed_top_down},
    {"placed_beside_its_like", placed_beside_its_like},
    {"hints", hints},
    {"large_memory_is_aligned", large_memory_is_aligned},
    {"large_disk_file_is_aligned", large_disk_file_is_aligned},
    {"growsdown_hint_gap", growsdown_hint_gap},
    {"brk_moves", brk_moves},
    {"too_many_areas", too_many_areas},
    {"protection_keys", protection_keys},
    {0, 0},
};
