// Mapped files: fault-around, copies, shared writes and their write-back (section 5).
#include "guest/programs/fidelity/cases.h"

#include <linux/falloc.h>

// The pages that one read of page `touch` brings in.
static void around(const char* what, u64 place_offset, u64 length, u64 first, u64 touch, int prot, int flags) {
  char* m = fresh_place() + place_offset * PAGE;
  file_at(m, length, prot, flags, numbered_file(64), first);
  mark();
  report(what, probe_load(m + touch * PAGE), m);
  tell("one fault");
  pages("mapped", m, length);
}

static void around_aligned(void) { around("page 37", 0, 64, 0, 37, kRead, MAP_PRIVATE); }
static void around_unaligned_area(void) { around("page 10", 5, 40, 3, 10, kRead, MAP_PRIVATE); }
static void around_start_of_area(void) { around("page 2", 9, 40, 0, 2, kRead, MAP_SHARED); }
static void around_end_of_area(void) { around("page 17", 0, 18, 0, 17, kRead, MAP_SHARED); }
static void around_end_of_file(void) { around("page 1", 0, 32, 50, 1, kRead, MAP_SHARED); }
static void around_page_table_end(void) { around("page 8", 512 - 13, 40, 0, 8, kRead, MAP_PRIVATE); }

static void around_skips_what_is_mapped(void) {
  int fd = numbered_file(16);
  char* m = file_at(fresh_place(), 16, kRw, MAP_PRIVATE, fd, 0);
  m[4 * PAGE] = 'x';
  m[9 * PAGE] = 'y';
  pages("two copies", m, 16);
  mark();
  read_pages(m, 16);
  tell("one fault for the rest");
  pages("all", m, 16);
}

static void around_with_random_advice(void) {
  char* m = file_at(fresh_place(), 64, kRead, MAP_PRIVATE, numbered_file(64), 0);
  MUST(sys3(__NR_madvise, m, 64 * PAGE, 1));
  mark();
  read_pages(m, 64);
  tell("as ever");
}

static void around_holes_of_a_sparse_file(void) {
  int fd = (int)MUST(sys2(__NR_memfd_create, "sparse", 0));
  MUST(sys2(__NR_ftruncate, fd, 16 * PAGE));
  MUST(sys4(__NR_pwrite64, fd, "data", 4, 3 * PAGE));
  MUST(sys4(__NR_pwrite64, fd, "data", 4, 7 * PAGE));
  char* m = file_at(fresh_place(), 16, kRead, MAP_SHARED, fd, 0);
  mark();
  read_pages(m + 3 * PAGE, 1);
  tell("one");
  pages("cached ones alone", m, 16);
  read_pages(m, 16);
  tell("the holes, one by one");
}

static void reads_in_order(void) {
  char* m = file_at(fresh_place(), 256, kRead, MAP_PRIVATE, numbered_file(256), 0);
  mark();
  read_pages(m, 256);
  tell("256 pages");
}

static void disk_reads_in_order(void) {
  char* m = file_at(fresh_place(), 128, kRead, MAP_PRIVATE, disk_file(128), 0);
  mark();
  read_pages(m, 128);
  tell("128 pages");
}

static void private_write_copies(void) {
  int fd = numbered_file(8);
  char* m = file_at(fresh_place(), 8, kRw, MAP_PRIVATE, fd, 0);
  s64 anon = status("RssAnon:"), shmem = status("RssShmem:");
  mark();
  write_pages(m, 8);
  tell("a fault a page");
  status_since("RssAnon:", anon);
  status_since("RssShmem:", shmem);
  pages("anonymous now", m, 8);
  char byte = 0;
  MUST(sys4(__NR_pread64, fd, &byte, 1, 0));
  result("the file is as it was", byte);
  result("the rest of the page", m[1]);
}

static void private_write_after_read(void) {
  int fd = numbered_file(8);
  char* m = file_at(fresh_place(), 8, kRw, MAP_PRIVATE, fd, 0);
  char* other = file_at(fresh_place(), 8, kRead, MAP_SHARED, fd, 0);
  read_pages(m, 8);
  read_pages(other, 8);
  two_ranges("both show the file", m, other, 8);
  mark();
  write_pages(m, 8);
  tell("a fault a page");
  two_ranges("copies", m, other, 8);
  hash("contents", m, 8 * PAGE);
}

static void shared_write_memfd(void) {
  int fd = numbered_file(8);
  char* m = file_at(fresh_place(), 8, kRw, MAP_SHARED, fd, 0);
  mark();
  read_pages(m, 8);
  tell("reads");
  write_pages(m, 8);
  tell("writes");
  char byte = 0;
  MUST(sys4(__NR_pread64, fd, &byte, 1, 3 * PAGE));
  result("the file has it", byte);
}

static void shared_write_disk(void) {
  int fd = disk_file(8);
  MUST(sys1(__NR_fsync, fd));
  char* m = file_at(fresh_place(), 8, kRw, MAP_SHARED, fd, 0);
  mark();
  read_pages(m, 8);
  tell("reads");
  write_pages(m, 8);
  tell("writes make pages writable");
  write_pages(m, 8);
  tell("once");
  char byte = 0;
  MUST(sys4(__NR_pread64, fd, &byte, 1, 3 * PAGE));
  result("the file has it", byte);
}

static void write_back_protects_again(void) {
  int fd = disk_file(8);
  char* m = file_at(fresh_place(), 8, kRw, MAP_SHARED, fd, 0);
  write_pages(m, 8);
  mark();
  write_pages(m, 8);
  tell("dirty");
  result("fsync", sys1(__NR_fsync, fd));
  tell("fsync");
  write_pages(m, 8);
  tell("after fsync");
  result("msync", sys3(__NR_msync, m, 4 * PAGE, 4));
  write_pages(m, 8);
  tell("after msync of a half");
  result("async", sys3(__NR_msync, m, 8 * PAGE, 1));
  write_pages(m, 8);
  tell("after an asynchronous one");
}

static void memfd_is_not_protected_again(void) {
  int fd = numbered_file(4);
  char* m = file_at(fresh_place(), 4, kRw, MAP_SHARED, fd, 0);
  write_pages(m, 4);
  mark();
  result("fsync", sys1(__NR_fsync, fd));
  result("msync", sys3(__NR_msync, m, 4 * PAGE, 4));
  write_pages(m, 4);
  tell("none");
}

static void read_only_descriptor(void) {
  int fd = disk_file(2);
  static char path[] = "/proc/self/fd/00";
  path[14] = (char)('0' + fd / 10 % 10);
  path[15] = (char)('0' + fd % 10);
  if (fd < 10) {
    path[14] = (char)('0' + fd);
    path[15] = 0;
  }
  int readable = (int)sys3(__NR_open, path, O_RDONLY, 0);
  result("opened again", readable >= 0);
  result("shared and writable", sysmmap(0, PAGE, kRw, MAP_SHARED, readable, 0));
  char* m = (char*)MUST(sysmmap(0, PAGE, kRead, MAP_SHARED, readable, 0));
  result("made writable", sys3(__NR_mprotect, m, PAGE, kRw));
  char* own = (char*)MUST(sysmmap(0, PAGE, kRw, MAP_PRIVATE, readable, 0));
  report("private is writable", probe_store(own), own);
}

static void beyond_the_end(void) {
  int fd = numbered_file(2);
  MUST(sys2(__NR_ftruncate, fd, PAGE + 100));
  char* m = file_at(fresh_place(), 4, kRw, MAP_SHARED, fd, 0);
  report("last byte", probe_load(m + PAGE + 99), m);
  result("zero past it", m[PAGE + 100]);
  report("end of its page", probe_store(m + 2 * PAGE - 1), m);
  report("next page", probe_load(m + 2 * PAGE), m);
  MUST(sys2(__NR_ftruncate, fd, 3 * PAGE));
  report("after growing", probe_load(m + 2 * PAGE), m);
  result("what was written past the end", m[2 * PAGE - 1]);
}

static void truncation_takes_pages_away(void) {
  int fd = numbered_file(8);
  char* shared = file_at(fresh_place(), 8, kRw, MAP_SHARED, fd, 0);
  char* own = file_at(fresh_place(), 8, kRw, MAP_PRIVATE, fd, 0);
  write_pages(own, 6);
  read_pages(shared, 8);
  result("ftruncate", sys2(__NR_ftruncate, fd, 4 * PAGE));
  two_ranges("left", shared, own, 8);
  report("shared", probe_load(shared + 5 * PAGE), shared);
  report("private copy", probe_load(own + 5 * PAGE), own);
  report("kept copy", probe_load(own + 3 * PAGE), own);
  MUST(sys2(__NR_ftruncate, fd, 8 * PAGE));
  report("grown again", probe_load(own + 5 * PAGE), own);
  result("zero", own[5 * PAGE]);
}

static void holes_keep_copies(void) {
  int fd = numbered_file(8);
  char* shared = file_at(fresh_place(), 8, kRw, MAP_SHARED, fd, 0);
  char* own = file_at(fresh_place(), 8, kRw, MAP_PRIVATE, fd, 0);
  write_pages(own, 2);
  read_pages(own, 8);
  read_pages(shared, 8);
  result("punch", sys4(__NR_fallocate, fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4 * PAGE));
  two_ranges("left", shared, own, 8);
  mark();
  result("shared is zero", shared[0]);
  result("copy stays", own[PAGE]);
  result("uncopied is zero", own[2 * PAGE]);
  tell("faults");
}

static void part_of_a_page_cut(void) {
  int fd = numbered_file(2);
  char* m = file_at(fresh_place(), 2, kRw, MAP_SHARED, fd, 0);
  char* own = file_at(fresh_place(), 2, kRw, MAP_PRIVATE, fd, 0);
  write_pages(own, 2);
  read_pages(m, 2);
  result("ftruncate", sys2(__NR_ftruncate, fd, 100));
  result("before the cut", m[99]);
  result("after it", m[100]);
  result("the copy keeps it", own[100]);
}

static void written_through_the_descriptor(void) {
  int fd = numbered_file(4);
  char* m = file_at(fresh_place(), 4, kRw, MAP_SHARED, fd, 0);
  char* own = file_at(fresh_place(), 4, kRw, MAP_PRIVATE, fd, 0);
  read_pages(m, 4);
  read_pages(own, 2);
  own[PAGE] = 'z';
  MUST(sys4(__NR_pwrite64, fd, "QQ", 2, 0));
  MUST(sys4(__NR_pwrite64, fd, "QQ", 2, PAGE));
  result("shared", m[0]);
  result("private, not copied", own[0]);
  result("private, copied", own[PAGE]);
  m[2 * PAGE] = 'w';
  char byte = 0;
  MUST(sys4(__NR_pread64, fd, &byte, 1, 2 * PAGE));
  result("read back", byte);
}

static void modification_time(void) {
  int fd = disk_file(2);
  MUST(sys1(__NR_fsync, fd));
  s64 times[4] = {1, 0, 1, 0};
  MUST(sys4(__NR_utimensat, fd, 0, times, 0));
  char* m = file_at(fresh_place(), 2, kRw, MAP_SHARED, fd, 0);
  static s64 stat[18];
  read_pages(m, 2);
  MUST(sys2(__NR_fstat, fd, stat));
  result("after a read", stat[11]);
  write_pages(m, 1);
  MUST(sys1(__NR_fsync, fd));
  MUST(sys2(__NR_fstat, fd, stat));
  result("after a write", stat[11] > 1);
}

static void cold_file_is_major(void) {
  enum { kRounds = 8 };
  int fd = disk_file(1);
  MUST(sys1(__NR_fsync, fd));
  struct faults before = faults_now();
  for (int round = 0; round < kRounds; ++round) {
    MUST(sys4(__NR_fadvise64, fd, 0, 0, 4));
    char* m = file_at(fresh_place(), 1, kRead, MAP_PRIVATE, fd, 0);
    read_pages(m, 1);
    read_pages(m, 1);
    MUST(sys2(__NR_munmap, m, PAGE));
  }
  struct faults after = faults_now();
  result("major ones", after.major - before.major);
  result("one fault a round", after.major - before.major + after.minor - before.minor == kRounds);
  leave(0);
}

// What comes along with a cold page goes by the mapping: how many of four are cold still? They are far enough from each
// other that each is a fault, however quick the disk is.
static void cold_file_is_read_ahead(void) {
  enum { kPages = 64, kNormal = 0, kRandom = 1, kSequential = 2, kDontneed = 4 };
  static const struct {
    const char* name;
    int protection, advice;
  } kinds[] = {{"around", kRead, kNormal},
               {"forward", PROT_READ | PROT_EXEC, kNormal},
               {"alone", kRead, kRandom},
               {"a stream", kRead, kSequential}};
  static const int order[] = {40, 60, 20, 5};
  for (u64 kind = 0; kind < sizeof kinds / sizeof kinds[0]; ++kind) {
    int fd = disk_file(kPages);
    MUST(sys1(__NR_fsync, fd));
    MUST(sys4(__NR_fadvise64, fd, 0, 0, kDontneed));
    char* m = file_at(fresh_place(), kPages, kinds[kind].protection, MAP_PRIVATE, fd, 0);
    MUST(sys3(__NR_madvise, m, kPages * PAGE, kinds[kind].advice));
    struct faults before = faults_now();
    for (int i = 0; i < 4; ++i) read_pages(m + order[i] * PAGE, 1);
    result(kinds[kind].name, faults_now().major - before.major);
  }
  leave(0);
}

static void device_zero(void) {
  int fd = (int)MUST(sys3(__NR_open, "/dev/zero", O_RDWR, 0));
  char* own = file_at(fresh_place(), 4, kRw, MAP_PRIVATE, fd, 0);
  mark();
  read_pages(own, 4);
  tell("reads");
  write_pages(own, 4);
  tell("writes");
  pages("private", own, 4);
  char* shared = file_at(fresh_place(), 4, kRw, MAP_SHARED, fd, 0);
  mark();
  write_pages(shared, 4);
  tell("shared");
}

static void not_a_mapping(void) {
  int pipe[2];
  MUST(sys1(__NR_pipe, pipe));
  int folder = (int)MUST(sys3(__NR_open, "/", O_RDONLY, 0));
  result("a pipe", sysmmap(0, PAGE, kRead, MAP_PRIVATE, pipe[0], 0));
  result("a folder", sysmmap(0, PAGE, kRead, MAP_PRIVATE, folder, 0));
  result("no descriptor", sysmmap(0, PAGE, kRead, MAP_PRIVATE, 99, 0));
  result("offset inside a page", sysmmap(0, PAGE, kRead, MAP_PRIVATE, numbered_file(1), 5));
}

const struct known_case cases[] = {
    {"around_aligned", around_aligned},
    {"around_unaligned_area", around_unaligned_area},
    {"around_start_of_area", around_start_of_area},
    {"around_end_of_area", around_end_of_area},
    {"around_end_of_file", around_end_of_file},
    {"around_page_table_end", around_page_table_end},
    {"around_skips_what_is_mapped", around_skips_what_is_mapped},
    {"around_with_random_advice", around_with_random_advice},
    {"around_holes_of_a_sparse_file", around_holes_of_a_sparse_file},
    {"reads_in_order", reads_in_order},
    {"disk_reads_in_order", disk_reads_in_order},
    {"private_write_copies", private_write_copies},
    {"private_write_after_read", private_write_after_read},
    {"shared_write_memfd", shared_write_memfd},
    {"shared_write_disk", shared_write_disk},
    {"write_back_protects_again", write_back_protects_again},
    {"memfd_is_not_protected_again", memfd_is_not_protected_again},
    {"read_only_descriptor", read_only_descriptor},
    {"beyond_the_end", beyond_the_end},
    {"truncation_takes_pages_away", truncation_takes_pages_away},
    {"holes_keep_copies", holes_keep_copies},
    {"part_of_a_page_cut", part_of_a_page_cut},
    {"written_through_the_descriptor", written_through_the_descriptor},
    {"modification_time", modification_time},
    {"cold_file_is_major", cold_file_is_major},
    {"cold_file_is_read_ahead", cold_file_is_read_ahead},
    {"device_zero", device_zero},
    {"not_a_mapping", not_a_mapping},
    {0, 0},
};
