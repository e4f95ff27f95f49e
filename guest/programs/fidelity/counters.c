// What counts as a fault in getrusage (section 0.1).
#include "guest/programs/fidelity/cases.h"

static void segv_does_not_count(void) {
  char* none = private_at(fresh_place(), 1, PROT_NONE);
  char* read_only = private_at(fresh_place(), 1, kRead);
  read_pages(read_only, 1);
  char* hole = fresh_place();
  mark();
  for (int i = 0; i < 3; ++i) {
    report("hole", probe_load(hole), hole);
    report("PROT_NONE", probe_load(none), none);
    report("read-only", probe_store(read_only), read_only);
  }
  tell("nine signals");
}

static void sigbus_does_not_count(void) {
  char* m = file_at(fresh_place(), 2, kRw, MAP_SHARED, numbered_file(1), 0);
  mark();
  for (int i = 0; i < 3; ++i) report("past the end", probe_load(m + PAGE), m);
  tell("three signals");
}

static void populate_counts(void) {
  char* m = fresh_place();
  mark();
  MUST(sysmmap(m, 16 * PAGE, kRw, kPrivate | MAP_FIXED | MAP_POPULATE, -1, 0));
  tell("MAP_POPULATE");
  m = private_at(fresh_place(), 16, kRw);
  mark();
  MUST(sys2(__NR_mlock, m, 16 * PAGE));
  tell("mlock");
  m = private_at(fresh_place(), 16, kRw);
  mark();
  MUST(sys3(__NR_madvise, m, 16 * PAGE, 22));
  tell("MADV_POPULATE_READ");
  MUST(sys3(__NR_madvise, m, 16 * PAGE, 23));
  tell("MADV_POPULATE_WRITE");
}

static void copies_of_the_kernel_count(void) {
  int fd = numbered_file(4);
  char* m = private_at(fresh_place(), 8, kRw);
  mark();
  result("read", sys4(__NR_pread64, fd, m, 4 * PAGE, 0));
  tell("read(2) writes memory");
  result("write", sys4(__NR_pwrite64, fd, m + 4 * PAGE, 4 * PAGE, 0));
  tell("write(2) reads memory");
  m = private_at(fresh_place(), 2, kRw);
  mark();
  result("over a boundary", sys4(__NR_pread64, fd, m + PAGE - 10, 20, 0));
  tell("two pages");
}

static void efault_does_not_count(void) {
  char* hole = fresh_place();
  int fd = numbered_file(1);
  mark();
  result("read", sys4(__NR_pread64, fd, hole, 10, 0));
  result("write", sys4(__NR_pwrite64, fd, hole, 10, 0));
  tell("none");
}

static void fetch_of_data(void) {
  char* m = private_at(fresh_place(), 2, kRw);
  mark();
  report("absent", probe_call(m), m);
  tell("counted once");
  report("present", probe_call(m), m);
  tell("not counted");
}

static void mprotect_without_faults(void) {
  char* m = private_at(fresh_place(), 8, kRw);
  write_pages(m, 8);
  mark();
  for (int round = 0; round < 3; ++round) {
    MUST(sys3(__NR_mprotect, m, 8 * PAGE, kRead));
    MUST(sys3(__NR_mprotect, m, 8 * PAGE, kRw));
    write_pages(m, 8);
    MUST(sys3(__NR_mprotect, m, 8 * PAGE, PROT_NONE));
    MUST(sys3(__NR_mprotect, m, 8 * PAGE, kRw));
    write_pages(m, 8);
  }
  tell("none");
}

static void every_kind_in_one_run(void) {
  char* m = private_at(fresh_place(), 32, kRw);
  char* f = file_at(fresh_place(), 32, kRw, MAP_PRIVATE, numbered_file(32), 0);
  for (u64 i = 0; i < 32; i += 3) {
    (void)*(volatile char*)(m + i * PAGE);
    *(volatile char*)(f + i * PAGE) = 1;
    *(volatile char*)(m + i * PAGE) = 1;
    (void)*(volatile char*)(f + (31 - i) * PAGE);
  }
  hash("memory", m, 32 * PAGE);
  hash("file", f, 32 * PAGE);
}

static void kinds_of_usage(void) {
  static s64 usage[18];
  write_pages(private_at(fresh_place(), 4, kRw), 4);
  struct faults own = faults_now();
  MUST(sys2(__NR_getrusage, 1, usage));
  result("of the thread", usage[8] == own.minor && usage[9] == own.major);
  MUST(sys2(__NR_getrusage, -1, usage));
  result("of children", usage[8]);
  result("no such", sys2(__NR_getrusage, 2, usage));
}

const struct known_case cases[] = {
    {"segv_does_not_count", segv_does_not_count},
    {"sigbus_does_not_count", sigbus_does_not_count},
    {"populate_counts", populate_counts},
    {"copies_of_the_kernel_count", copies_of_the_kernel_count},
    {"efault_does_not_count", efault_does_not_count},
    {"fetch_of_data", fetch_of_data},
    {"mprotect_without_faults", mprotect_without_faults},
    {"every_kind_in_one_run", every_kind_in_one_run},
    {"kinds_of_usage", kinds_of_usage},
    {0, 0},
};
