// Unmapping: what goes, what stays, what it counts (sections 3.20 and 7).
#include "guest/programs/fidelity/cases.h"

static void munmap_gives_memory_back(void) {
  s64 rss = status("RssAnon:"), size = status("VmSize:");
  char* m = private_at(fresh_place(), 32, kRw);
  write_pages(m, 32);
  status_since("RssAnon:", rss);
  status_since("VmSize:", size);
  result("munmap", sys2(__NR_munmap, m, 32 * PAGE));
  status_since("RssAnon:", rss);
  status_since("VmSize:", size);
}

static void high_water_mark(void) {
  char* m = private_at(fresh_place(), 256, kRw);
  s64 before = status("VmHWM:");
  write_pages(m, 256);
  MUST(sys2(__NR_munmap, m, 256 * PAGE));
  s64 after = status("VmHWM:");
  result("it stays", after - before >= 900);
  result("above what there is", after - status("VmRSS:") >= 900);
}

static void munmap_rules(void) {
  char* m = private_at(fresh_place(), 4, kRw);
  result("unaligned", sys2(__NR_munmap, m + 1, PAGE));
  result("nothing", sys2(__NR_munmap, m, 0));
  result("half a page is a page", sys2(__NR_munmap, m, 100));
  maps("three left", m, 4);
  result("a hole", sys2(__NR_munmap, m, PAGE));
  result("beyond the end", sys2(__NR_munmap, 0x7fffffffe000, 16 * PAGE));
  result("a wrapping range", sys2(__NR_munmap, m, -PAGE));
  result("the kernel half", sys2(__NR_munmap, 0xffff888000000000, PAGE));
}

static void munmap_over_several(void) {
  char* m = fresh_place();
  private_at(m, 2, kRw);
  private_at(m + 4 * PAGE, 2, kRead);
  file_at(m + 6 * PAGE, 2, kRead, MAP_PRIVATE, numbered_file(2), 0);
  write_pages(m, 2);
  read_pages(m + 4 * PAGE, 4);
  result("munmap", sys2(__NR_munmap, m + PAGE, 6 * PAGE));
  maps("both ends left", m, 8);
  result("contents", m[0]);
  result("file", m[7 * PAGE]);
}

static void fresh_after_munmap(void) {
  char* m = private_at(fresh_place(), 4, kRw);
  write_pages(m, 4);
  MUST(sys2(__NR_munmap, m, 4 * PAGE));
  report("hole", probe_load(m), m);
  private_at(m, 4, kRw);
  mark();
  hash("zero", m, 4 * PAGE);
  tell("four faults");
}

static void translations_are_gone(void) {
  char* m = private_at(fresh_place(), 64, kRw);
  for (int round = 0; round < 3; ++round) {
    write_pages(m, 64);
    MUST(sys3(__NR_madvise, m, 64 * PAGE, 4));
    int wrong = 0;
    for (u64 i = 0; i < 64; ++i) wrong += m[i * PAGE] != 0;
    result("stale pages", wrong);
  }
  MUST(sys2(__NR_munmap, m, 64 * PAGE));
  for (u64 i = 0; i < 64; i += 21) report("unmapped", probe_load(m + i * PAGE), m);
}

static void protection_takes_effect(void) {
  char* m = private_at(fresh_place(), 40, kRw);
  write_pages(m, 40);
  MUST(sys3(__NR_mprotect, m, 40 * PAGE, kRead));
  report("first", probe_store(m), m);
  report("last", probe_store(m + 39 * PAGE), m);
  MUST(sys3(__NR_mprotect, m, 40 * PAGE, PROT_NONE));
  report("read", probe_load(m + 20 * PAGE), m);
}

static void tables_are_freed_by_munmap(void) {
  char* place = fresh_place();
  s64 tables = status("VmPTE:");
  MUST(sysmmap(place, 64UL << 21, kRw, kPrivate | MAP_FIXED | MAP_NORESERVE, -1, 0));
  for (u64 i = 0; i < 64; ++i) place[i << 21] = 1;
  status_since("VmPTE:", tables);
  MUST(sys2(__NR_munmap, place, 64UL << 21));
  status_since("VmPTE:", tables);
}

static void tables_are_reclaimed_by_dontneed(void) {
  char* place = fresh_place();
  MUST(sysmmap(place, 8UL << 21, kRw, kPrivate | MAP_FIXED | MAP_NORESERVE, -1, 0));
  s64 tables = status("VmPTE:");
  for (u64 i = 0; i < 8; ++i) place[i << 21] = 1;
  status_since("VmPTE:", tables);
  MUST(sys3(__NR_madvise, place, 4UL << 21, 4));
  status_since("VmPTE:", tables);
  MUST(sys3(__NR_madvise, place + (4UL << 21), PAGE, 4));
  status_since("VmPTE:", tables);
  mark();
  place[0] = 1;
  tell("one fault");
}

static void table_shared_by_two_areas(void) {
  char* m = fresh_place();
  private_at(m, 2, kRw);
  private_at(m + 100 * PAGE, 2, kRw);
  write_pages(m, 2);
  write_pages(m + 100 * PAGE, 2);
  s64 tables = status("VmPTE:");
  MUST(sys2(__NR_munmap, m, 2 * PAGE));
  status_since("VmPTE:", tables);
  result("the other", m[101 * PAGE]);
  MUST(sys2(__NR_munmap, m + 100 * PAGE, 2 * PAGE));
  status_since("VmPTE:", tables);
}

static void every_level_counts(void) {
  s64 tables = status("VmPTE:");
  *private_at((char*)0x100000000000, 1, kRw) = 1;
  status_since("VmPTE:", tables);
  *private_at((char*)0x100040000000, 1, kRw) = 1;
  status_since("VmPTE:", tables);
  *private_at((char*)0x100040200000, 1, kRw) = 1;
  status_since("VmPTE:", tables);
  *private_at((char*)0x100040201000, 1, kRw) = 1;
  status_since("VmPTE:", tables);
}

static void reads_make_tables_too(void) {
  s64 tables = status("VmPTE:");
  char* m = private_at(fresh_place(), 1, kRw);
  status_since("VmPTE:", tables);
  read_pages(m, 1);
  status_since("VmPTE:", tables);
  report("a bad access makes none", probe_load(fresh_place()), 0);
  status_since("VmPTE:", tables);
}

static void exit_with_memory(void) {
  // The invariant checker of the harness looks at what is left.
  write_pages(private_at(fresh_place(), 16, kRw), 16);
  write_pages(shared_at(fresh_place(), 16, kRw), 16);
  write_pages(file_at(fresh_place(), 16, kRw, MAP_PRIVATE, numbered_file(16), 0), 16);
  read_pages(file_at(fresh_place(), 16, kRead, MAP_SHARED, numbered_file(16), 0), 16);
  text("leaving\n");
}

const struct known_case cases[] = {
    {"munmap_gives_memory_back", munmap_gives_memory_back},
    {"high_water_mark", high_water_mark},
    {"munmap_rules", munmap_rules},
    {"munmap_over_several", munmap_over_several},
    {"fresh_after_munmap", fresh_after_munmap},
    {"translations_are_gone", translations_are_gone},
    {"protection_takes_effect", protection_takes_effect},
    {"tables_are_freed_by_munmap", tables_are_freed_by_munmap},
    {"tables_are_reclaimed_by_dontneed", tables_are_reclaimed_by_dontneed},
    {"table_shared_by_two_areas", table_shared_by_two_areas},
    {"every_level_counts", every_level_counts},
    {"reads_make_tables_too", reads_make_tables_too},
    {"exit_with_memory", exit_with_memory},
    {0, 0},
};
