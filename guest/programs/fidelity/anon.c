// Anonymous memory at the level of single entries (sections 3 and 5).
#include "guest/programs/fidelity/cases.h"

static void reads_map_the_zero_page(void) {
  char* m = private_at(fresh_place(), 8, kRw);
  s64 rss = status("RssAnon:");
  mark();
  read_pages(m, 8);
  tell("eight reads");
  status_since("RssAnon:", rss);
  pages("one frame", m, 8);
  hash("zeros", m, 8 * PAGE);
}

static void writes_after_reads(void) {
  char* m = private_at(fresh_place(), 8, kRw);
  read_pages(m, 8);
  s64 rss = status("RssAnon:");
  mark();
  write_pages(m, 8);
  tell("eight writes");
  status_since("RssAnon:", rss);
  pages("eight frames", m, 8);
}

static void writes_only(void) {
  char* m = private_at(fresh_place(), 8, kRw);
  mark();
  write_pages(m, 8);
  tell("eight writes");
  read_pages(m, 8);
  write_pages(m, 8);
  tell("no more");
  pages("own frames", m, 8);
}

static void fresh_pages_are_zero(void) {
  for (int round = 0; round < 3; ++round) {
    char* m = private_at((char*)0x340000000000, 16, kRw);
    hash("fresh", m, 16 * PAGE);
    for (u64 i = 0; i < 16 * PAGE; ++i) m[i] = (char)(i * 7 + round);
    hash("written", m, 16 * PAGE);
    MUST(sys2(__NR_munmap, m, 16 * PAGE));
  }
}

static void read_only_memory(void) {
  char* m = private_at(fresh_place(), 4, kRead);
  mark();
  read_pages(m, 4);
  tell("reads");
  pages("zero pages", m, 4);
  MUST(sys3(__NR_mprotect, m, 4 * PAGE, kRw));
  write_pages(m, 4);
  tell("writes");
  pages("own pages", m, 4);
}

static void shared_memory_is_a_file(void) {
  char* m = shared_at(fresh_place(), 8, kRw);
  s64 anon = status("RssAnon:"), shmem = status("RssShmem:");
  mark();
  read_pages(m, 4);
  tell("reads allocate");
  write_pages(m, 8);
  tell("writes");
  status_since("RssAnon:", anon);
  status_since("RssShmem:", shmem);
  pages("file pages", m, 8);
}

static void lock_and_read_modify_write(void) {
  char* m = private_at(fresh_place(), 3, kRw);
  mark();
  probe_lock_inc(m);
  tell("one write fault");
  m[PAGE] += 1;
  tell("an increment");
  __asm__ volatile("movb (%0), %%al\n movb %%al, (%0)" ::"r"(m + 2 * PAGE) : "rax", "memory");
  tell("load and store: two");
}

static void string_instructions(void) {
  char* m = private_at(fresh_place(), 8, kRw);
  mark();
  probe_fill(m, 4 * PAGE);
  tell("stos over four");
  probe_copy(m + 4 * PAGE, m, 3 * PAGE);
  tell("movs over three");
  probe_copy(m, m + 7 * PAGE, 64);
  tell("from an untouched one");
  hash("contents", m, 8 * PAGE);
}

static void straddling_two_absent_pages(void) {
  char* m = private_at(fresh_place(), 4, kRw);
  mark();
  probe_load8(m + PAGE - 4);
  tell("read of two");
  probe_store8(m + 3 * PAGE - 4);
  tell("write of two");
  pages("all", m, 4);
}

static void protnone_round_trip(void) {
  char* m = private_at(fresh_place(), 4, kRw);
  write_pages(m, 4);
  MUST(sys3(__NR_mprotect, m, 4 * PAGE, PROT_NONE));
  pages("still present", m, 4);
  report("no access", probe_load(m), m);
  MUST(sys3(__NR_mprotect, m, 4 * PAGE, kRw));
  mark();
  read_pages(m, 4);
  write_pages(m, 4);
  tell("none");
}

static void protnone_zero_pages(void) {
  char* m = private_at(fresh_place(), 2, kRw);
  read_pages(m, 2);
  MUST(sys3(__NR_mprotect, m, 2 * PAGE, PROT_NONE));
  pages("present", m, 2);
  report("no access", probe_load(m), m);
  MUST(sys3(__NR_mprotect, m, 2 * PAGE, kRw));
  mark();
  read_pages(m, 2);
  tell("reads");
  write_pages(m, 2);
  tell("writes");
}

static void read_only_round_trip(void) {
  char* m = private_at(fresh_place(), 4, kRw);
  write_pages(m, 3);
  MUST(sys3(__NR_mprotect, m, 4 * PAGE, kRead));
  report("write", probe_store(m), m);
  MUST(sys3(__NR_mprotect, m, 4 * PAGE, kRw));
  mark();
  write_pages(m, 3);
  tell("written ones");
  write_pages(m + 3 * PAGE, 1);
  tell("the fourth");
}

static void across_page_tables(void) {
  char* m = private_at(fresh_place() + 510 * PAGE, 4, kRw);
  mark();
  write_pages(m, 4);
  tell("four pages, two tables");
  pages("all", m, 4);
}

static void populate_write(void) {
  char* m = fresh_place();
  mark();
  MUST(sysmmap(m, 8 * PAGE, kRw, kPrivate | MAP_FIXED | MAP_POPULATE, -1, 0));
  tell("by mmap");
  write_pages(m, 8);
  tell("nothing left");
  pages("own frames", m, 8);
}

static void populate_read_only(void) {
  char* m = fresh_place();
  mark();
  MUST(sysmmap(m, 8 * PAGE, kRead, kPrivate | MAP_FIXED | MAP_POPULATE, -1, 0));
  tell("by mmap");
  read_pages(m, 8);
  tell("nothing left");
  pages("zero page", m, 8);
}

static void populate_none(void) {
  char* m = fresh_place();
  mark();
  result("mmap", sysmmap(m, 4 * PAGE, PROT_NONE, kPrivate | MAP_FIXED | MAP_POPULATE, -1, 0) == (long)m);
  tell("by mmap");
  pages("nothing", m, 4);
}

static void locked_mapping(void) {
  char* m = fresh_place();
  s64 locked = status("VmLck:");
  mark();
  MUST(sysmmap(m, 4 * PAGE, kRw, kPrivate | MAP_FIXED | MAP_LOCKED, -1, 0));
  tell("by mmap");
  status_since("VmLck:", locked);
  pages("all", m, 4);
}

static void mlock_reads(void) {
  char* m = private_at(fresh_place(), 4, kRead);
  s64 rss = status("RssAnon:"), locked = status("VmLck:");
  mark();
  result("mlock", sys2(__NR_mlock, m, 4 * PAGE));
  tell("by mlock");
  status_since("RssAnon:", rss);
  status_since("VmLck:", locked);
  pages("zero pages", m, 4);
  result("munlock", sys2(__NR_munlock, m, 4 * PAGE));
  status_since("VmLck:", locked);
}

static void mlock_none(void) {
  char* m = private_at(fresh_place(), 2, PROT_NONE);
  s64 locked = status("VmLck:");
  result("mlock", sys2(__NR_mlock, m, 2 * PAGE));
  status_since("VmLck:", locked);
  result("of a hole", sys2(__NR_mlock, m + 4 * PAGE, PAGE));
  result("into a hole", sys2(__NR_mlock, m, 4 * PAGE));
  result("of nothing", sys2(__NR_mlock, m, 0));
}

static void mlock_on_fault(void) {
  char* m = private_at(fresh_place(), 4, kRw);
  mark();
  result("mlock2", sys3(__NR_mlock2, m, 4 * PAGE, 1));
  tell("none came in");
  write_pages(m, 2);
  tell("two on access");
  result("bad flags", sys3(__NR_mlock2, m, PAGE, 2));
  result("DONTNEED", sys3(__NR_madvise, m, PAGE, 4));
}

static void mlockall_future(void) {
  result("mlockall", sys1(__NR_mlockall, 2));
  char* m = fresh_place();
  mark();
  private_at(m, 4, kRw);
  tell("by mmap");
  result("munlockall", sys0(__NR_munlockall));
  private_at(m + 16 * PAGE, 4, kRw);
  tell("not any more");
  result("no flags", sys1(__NR_mlockall, 0));
  result("bad flags", sys1(__NR_mlockall, 8));
}

const struct known_case cases[] = {
    {"reads_map_the_zero_page", reads_map_the_zero_page},
    {"writes_after_reads", writes_after_reads},
    {"writes_only", writes_only},
    {"fresh_pages_are_zero", fresh_pages_are_zero},
    {"read_only_memory", read_only_memory},
    {"shared_memory_is_a_file", shared_memory_is_a_file},
    {"lock_and_read_modify_write", lock_and_read_modify_write},
    {"string_instructions", string_instructions},
    {"straddling_two_absent_pages", straddling_two_absent_pages},
    {"protnone_round_trip", protnone_round_trip},
    {"protnone_zero_pages", protnone_zero_pages},
    {"read_only_round_trip", read_only_round_trip},
    {"across_page_tables", across_page_tables},
    {"populate_write", populate_write},
    {"populate_read_only", populate_read_only},
    {"populate_none", populate_none},
    {"locked_mapping", locked_mapping},
    {"mlock_reads", mlock_reads},
    {"mlock_none", mlock_none},
    {"mlock_on_fault", mlock_on_fault},
    {"mlockall_future", mlockall_future},
    {0, 0},
};
