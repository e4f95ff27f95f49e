// madvise, one kind of advice a case (sections 5.25 and 7).
#include "guest/programs/fidelity/cases.h"

enum {
  kNormal,
  kRandom,
  kSequential,
  kWillneed,
  kDontneed,
  kFree = 8,
  kRemove,
  kDontfork,
  kDofork,
  kCold = 20,
  kPageout,
  kPopulateRead,
  kPopulateWrite,
  kDontneedLocked
};

static long advise(char* m, u64 page_count, int advice) { return sys3(__NR_madvise, m, page_count * PAGE, advice); }

static void dontneed_anonymous(void) {
  char* m = private_at(fresh_place(), 8, kRw);
  write_pages(m, 8);
  s64 rss = status("RssAnon:");
  result("DONTNEED", advise(m + 2 * PAGE, 4, kDontneed));
  status_since("RssAnon:", rss);
  pages("left", m, 8);
  mark();
  result("zero", m[3 * PAGE]);
  result("kept", m[6 * PAGE]);
  tell("one fault");
}

static void dontneed_private_file(void) {
  char* m = file_at(fresh_place(), 4, kRw, MAP_PRIVATE, numbered_file(4), 0);
  write_pages(m, 2);
  result("DONTNEED", advise(m, 4, kDontneed));
  mark();
  result("the file again", m[0]);
  tell("one fault");
}

static void dontneed_shared(void) {
  char* m = shared_at(fresh_place(), 4, kRw);
  write_pages(m, 4);
  result("DONTNEED", advise(m, 4, kDontneed));
  pages("unmapped", m, 4);
  mark();
  result("kept", m[2 * PAGE]);
  tell("around it");
}

static void dontneed_locked(void) {
  char* m = private_at(fresh_place(), 2, kRw);
  MUST(sys2(__NR_mlock, m, 2 * PAGE));
  m[0] = 5;
  result("DONTNEED", advise(m, 2, kDontneed));
  result("kept", m[0]);
  result("DONTNEED_LOCKED", advise(m, 2, kDontneedLocked));
  result("gone", m[0]);
}

static void over_a_hole(void) {
  char* m = private_at(fresh_place(), 6, kRw);
  write_pages(m, 6);
  MUST(sys2(__NR_munmap, m + 2 * PAGE, PAGE));
  result("DONTNEED", advise(m, 6, kDontneed));
  pages("applied on both sides", m, 6);
  result("all hole", advise(m + 16 * PAGE, 1, kDontneed));
  result("WILLNEED", advise(m, 6, kWillneed));
  result("POPULATE_WRITE", advise(m, 6, kPopulateWrite));
  pages("up to the hole", m, 6);
}

static void free_is_lazy(void) {
  char* m = private_at(fresh_place(), 4, kRw);
  write_pages(m, 4);
  mark();
  result("FREE", advise(m, 4, kFree));
  pages("still there", m, 4);
  result("contents", m[PAGE]);
  m[2 * PAGE] = 9;
  tell("no fault");
  result("written one", m[2 * PAGE]);
}

static void free_is_for_anonymous_memory(void) {
  char* file = file_at(fresh_place(), 2, kRw, MAP_PRIVATE, numbered_file(2), 0);
  result("file", advise(file, 2, kFree));
  char* shared = shared_at(fresh_place(), 2, kRw);
  result("shared", advise(shared, 2, kFree));
  char* locked = private_at(fresh_place(), 2, kRw);
  MUST(sys2(__NR_mlock, locked, 2 * PAGE));
  result("locked", advise(locked, 2, kFree));
}

static void cold_keeps(void) {
  char* m = private_at(fresh_place(), 4, kRw);
  write_pages(m, 4);
  mark();
  result("COLD", advise(m, 4, kCold));
  hash("contents", m, 4 * PAGE);
  tell("no fault");
  MUST(sys2(__NR_mlock, m, PAGE));
  result("locked", advise(m, 4, kCold));
}

static void pageout_of_file_pages(void) {
  int fd = disk_file(4);
  MUST(sys1(__NR_fsync, fd));
  char* m = file_at(fresh_place(), 4, kRw, MAP_PRIVATE, fd, 0);
  write_pages(m, 1);
  result("PAGEOUT", advise(m, 4, kPageout));
  hash("contents", m, 4 * PAGE);
  char* locked = private_at(fresh_place(), 1, kRw);
  MUST(sys2(__NR_mlock, locked, PAGE));
  result("locked", advise(locked, 1, kPageout));
}

static void populate_read(void) {
  char* m = private_at(fresh_place(), 4, kRw);
  mark();
  result("POPULATE_READ", advise(m, 4, kPopulateRead));
  tell("four");
  pages("zero page", m, 4);
  result("again", advise(m, 4, kPopulateRead));
  tell("none");
}

static void populate_write(void) {
  char* m = private_at(fresh_place(), 4, kRw);
  read_pages(m, 2);
  mark();
  result("POPULATE_WRITE", advise(m, 4, kPopulateWrite));
  tell("four");
  pages("own pages", m, 4);
  write_pages(m, 4);
  tell("none");
}

static void populate_refused(void) {
  char* m = private_at(fresh_place(), 2, kRead);
  result("write to read-only", advise(m, 2, kPopulateWrite));
  MUST(sys3(__NR_mprotect, m, PAGE, PROT_NONE));
  result("read of PROT_NONE", advise(m, 2, kPopulateRead));
  result("hole", advise(m + 4 * PAGE, 2, kPopulateRead));
  char* file = file_at(fresh_place(), 3, kRw, MAP_SHARED, numbered_file(1), 0);
  result("past the end of a file", advise(file, 3, kPopulateRead));
  pages("up to the end", file, 3);
}

static void populate_file(void) {
  char* m = file_at(fresh_place(), 40, kRw, MAP_SHARED, numbered_file(40), 0);
  mark();
  result("POPULATE_READ", advise(m, 40, kPopulateRead));
  tell("by windows");
  result("POPULATE_WRITE", advise(m, 40, kPopulateWrite));
  tell("writable already");
  char* own = file_at(fresh_place(), 4, kRw, MAP_PRIVATE, numbered_file(4), 0);
  mark();
  result("POPULATE_WRITE", advise(own, 4, kPopulateWrite));
  tell("copies");
  pages("copies", own, 4);
}

static void remove_punches(void) {
  int fd = numbered_file(4);
  char* m = file_at(fresh_place(), 4, kRw, MAP_SHARED, fd, 0);
  read_pages(m, 4);
  result("REMOVE", advise(m + PAGE, 2, kRemove));
  pages("gone", m, 4);
  result("zero", m[PAGE]);
  result("kept", m[3 * PAGE]);
  char* own = private_at(fresh_place(), 1, kRw);
  result("private memory", advise(own, 1, kRemove));
  char* read_only = file_at(fresh_place(), 4, kRead, MAP_SHARED, fd, 0);
  result("not writable", advise(read_only, 1, kRemove));
  MUST(sys2(__NR_mlock, m, PAGE));
  result("locked", advise(m, 1, kRemove));
}

static void willneed(void) {
  char* m = private_at(fresh_place(), 2, kRw);
  mark();
  result("anonymous", advise(m, 2, kWillneed));
  char* file = file_at(fresh_place(), 4, kRead, MAP_SHARED, numbered_file(4), 0);
  result("file", advise(file, 4, kWillneed));
  tell("none");
}

static void wrong_arguments(void) {
  char* m = private_at(fresh_place(), 4, kRw);
  result("unaligned", sys3(__NR_madvise, m + 1, PAGE, kDontneed));
  result("length 0", advise(m, 0, kDontneed));
  result("length 0 of a hole", advise(m + 8 * PAGE, 0, kDontneed));
  result("no such advice", advise(m, 1, 7));
  result("no such advice, no length", advise(m, 0, 99));
  result("a wrapping range", sys3(__NR_madvise, m, -PAGE, kDontneed));
  result("a length that rounds to 0", sys3(__NR_madvise, m, -1UL, kDontneed));
  result("half a page is a page", sys3(__NR_madvise, m, 100, kDontneed));
}

static void dontneed_keeps_the_area(void) {
  char* m = private_at(fresh_place(), 4, kRead);
  MUST(sys3(__NR_mprotect, m, 4 * PAGE, PROT_NONE));
  result("DONTNEED of PROT_NONE", advise(m, 4, kDontneed));
  maps("as it was", m, 4);
  result("DONTNEED unreadable again", advise(m, 2, kDontneed));
}

const struct known_case cases[] = {
    {"dontneed_anonymous", dontneed_anonymous},
    {"dontneed_private_file", dontneed_private_file},
    {"dontneed_shared", dontneed_shared},
    {"dontneed_locked", dontneed_locked},
    {"over_a_hole", over_a_hole},
    {"free_is_lazy", free_is_lazy},
    {"free_is_for_anonymous_memory", free_is_for_anonymous_memory},
    {"cold_keeps", cold_keeps},
    {"pageout_of_file_pages", pageout_of_file_pages},
    {"populate_read", populate_read},
    {"populate_write", populate_write},
    {"populate_refused", populate_refused},
    {"populate_file", populate_file},
    {"remove_punches", remove_punches},
    {"willneed", willneed},
    {"wrong_arguments", wrong_arguments},
    {"dontneed_keeps_the_area", dontneed_keeps_the_area},
    {0, 0},
};
