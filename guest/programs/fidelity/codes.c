// The error code and the signal of every kind of bad access from user mode, one situation a case (section 13).
#include "guest/programs/fidelity/cases.h"

static char* none(void) { return fresh_place(); }

static void no_vma(void) {
  char* hole = none();
  report("read", probe_load(hole + 1), hole);
  report("write", probe_store(hole + 2), hole);
  report("exec", probe_call(hole + 3), hole);
  tell("counted");
}

static void prot_none_untouched(void) {
  char* page = private_at(fresh_place(), 1, PROT_NONE);
  report("read", probe_load(page), page);
  report("write", probe_store(page), page);
  report("exec", probe_call(page), page);
}

static void prot_none_touched(void) {
  char* page = private_at(fresh_place(), 1, kRw);
  *page = 1;
  MUST(sys3(__NR_mprotect, page, PAGE, PROT_NONE));
  report("read", probe_load(page), page);
  report("write", probe_store(page), page);
  report("exec", probe_call(page), page);
}

static void write_read_only(void) {
  char* page = private_at(fresh_place(), 1, kRead);
  report("not present", probe_store(page), page);
  report("read", probe_load(page), page);
  report("zero page present", probe_store(page), page);
  page = private_at(fresh_place(), 1, kRw);
  *page = 1;
  MUST(sys3(__NR_mprotect, page, PAGE, PROT_READ));
  report("own page present", probe_store(page), page);
}

static void exec_data_absent(void) {
  char* page = private_at(fresh_place(), 1, kRw);
  mark();
  report("exec", probe_call(page), page);
  tell("one page came in");
}

static void exec_data_present(void) {
  char* page = private_at(fresh_place(), 1, kRw);
  for (int i = 0; i < 6; ++i) page[i] = probe_code[i];
  mark();
  report("exec", probe_call(page), page);
  tell("none came in");
  MUST(sys3(__NR_mprotect, page, PAGE, PROT_READ | PROT_EXEC));
  report("exec where it may", probe_call(page), page);
}

static void kernel_addresses(void) {
  static const u64 addresses[] = {0xffff888000000000, 0xffffffff81000000, 0xffff800000000000,
                                  0xffffffffff5ff000, 0x7ffffffff000,     0x7fffffffffff};
  for (u64 i = 0; i < sizeof addresses / sizeof addresses[0]; ++i) {
    report("read", probe_load((void*)addresses[i]), 0);
    report("write", probe_store((void*)addresses[i]), 0);
    report("exec", probe_call((void*)addresses[i]), 0);
  }
}

static void non_canonical(void) {
  char* hole = none();
  report("a fault before", probe_load(hole), hole);
  report("read", probe_load((void*)0x8000000000001000), 0);
  text("cr2 is stale: ");
  dec(last_fault.cr2 == (u64)hole);
  text(" address ");
  hex(last_fault.address);
  text("\n");
  report("write", probe_store((void*)0x7000000000000000), 0);
  report("lowest", probe_load((void*)0x800000000000), 0);
  report("highest", probe_load((void*)0xffff7fffffffffff), 0);
}

static void vsyscall_read(void) {
  report("read", probe_load((void*)0xffffffffff600000), 0);
  report("read inside", probe_load8((void*)0xffffffffff600400), 0);
}

int probe_cmpxchg(volatile void* address);
__asm__(
    ".globl probe_cmpxchg\n"
    "probe_cmpxchg:\n"
    "  lock cmpxchg %ecx, (%rdi)\n"
    "  xor %eax, %eax\n"
    "  ret\n");

static void locked_and_string(void) {
  char* hole = none();
  char* data = private_at(fresh_place(), 1, kRw);
  *data = 1;
  report("lock inc", probe_lock_inc(hole), hole);
  report("lock cmpxchg", probe_cmpxchg(hole + 4), hole);
  report("rep stosb", probe_fill(hole + 5, 9), hole);
  report("rep movsb to", probe_copy(hole + 6, data, 9), hole);
  report("rep movsb from", probe_copy(data, hole + 7, 9), hole);
  char* zeros = private_at(fresh_place(), 1, kRw);
  mark();
  report("lock cmpxchg that does not store", probe_cmpxchg(zeros), zeros);
  tell("is a write");
}

static void string_across_pages(void) {
  char* page = private_at(fresh_place(), 2, kRw);
  write_pages(page, 2);
  MUST(sys2(__NR_munmap, page + PAGE, PAGE));
  report("rep stosb over the end", probe_fill(page + PAGE - 64, 100), page);
  result("what it wrote before", page[PAGE - 1]);
  report("rep movsb over the end", probe_copy(page + PAGE - 16, page, 32), page);
}

static void straddling(void) {
  char* page = private_at(fresh_place(), 2, kRw);
  write_pages(page, 2);
  MUST(sys2(__NR_munmap, page + PAGE, PAGE));
  for (u64 i = 1; i < 8; ++i) report("read", probe_load8(page + PAGE - i), page);
  report("write", probe_store8(page + PAGE - 3), page);
  result("nothing of it was written", page[PAGE - 1]);
  report("up to the end", probe_load8(page + PAGE - 8), page);
}

static void straddling_backwards(void) {
  char* page = private_at(fresh_place(), 2, kRw);
  write_pages(page, 2);
  MUST(sys2(__NR_munmap, page, PAGE));
  report("read", probe_load8(page + PAGE - 3), page);
  report("write", probe_store8(page + PAGE - 3), page);
}

static void clflush_and_prefetch(void) {
  char* hole = none();
  report("clflush of nothing", probe_clflush(hole + 3), hole);
  report("prefetch of nothing", probe_prefetch(hole), hole);
  report("prefetch of the kernel half", probe_prefetch((void*)0xffff888000000000), hole);
  char* page = private_at(fresh_place(), 1, kRw);
  mark();
  report("prefetch of untouched memory", probe_prefetch(page), page);
  tell("it maps nothing");
  report("clflush of untouched memory", probe_clflush(page), page);
  tell("it reads");
}

static void past_end_of_file(void) {
  int fd = numbered_file(1);
  char* file = file_at(fresh_place(), 3, kRw, MAP_PRIVATE, fd, 0);
  report("private read", probe_load(file + PAGE + 7), file);
  report("private write", probe_store(file + 2 * PAGE + 8), file);
  char* shared = file_at(fresh_place(), 3, kRw, MAP_SHARED, fd, 0);
  report("shared read", probe_load(shared + PAGE + 9), shared);
  report("shared write", probe_store(shared + 2 * PAGE + 10), shared);
  char* code = file_at(fresh_place(), 3, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
  report("exec", probe_call(code + PAGE + 1), code);
}

static void past_end_of_disk_file(void) {
  int fd = disk_file(1);
  char* file = file_at(fresh_place(), 3, kRw, MAP_PRIVATE, fd, 0);
  report("private read", probe_load(file + PAGE + 7), file);
  report("private write", probe_store(file + 2 * PAGE + 8), file);
  char* shared = file_at(fresh_place(), 3, kRw, MAP_SHARED, fd, 0);
  report("shared read", probe_load(shared + PAGE + 9), shared);
  report("shared write", probe_store(shared + 2 * PAGE + 10), shared);
}

static void guard_region(void) {
  char* page = private_at(fresh_place(), 3, kRw);
  write_pages(page, 3);
  result("install", sys3(__NR_madvise, page + PAGE, PAGE, 102));
  report("read", probe_load(page + PAGE + 1), page);
  report("write", probe_store(page + PAGE + 2), page);
  report("neighbour", probe_load(page + 2 * PAGE), page);
  result("remove", sys3(__NR_madvise, page + PAGE, PAGE, 103));
  report("read of a removed guard", probe_load(page + PAGE), page);
  result("its contents", page[PAGE]);
}

static void kernel_copies(void) {
  int pipe[2];
  MUST(sys1(__NR_pipe, pipe));
  char* hole = none();
  char* protected = private_at(fresh_place(), 1, PROT_NONE);
  char* read_only = private_at(fresh_place(), 1, kRead);
  char* cut = file_at(fresh_place(), 2, kRw, MAP_SHARED, numbered_file(1), 0);
  result("write from nothing", sys3(__NR_write, pipe[1], hole, 8));
  result("write from PROT_NONE", sys3(__NR_write, pipe[1], protected, 8));
  result("write from past the file", sys3(__NR_write, pipe[1], cut + PAGE, 8));
  result("write from the kernel half", sys3(__NR_write, pipe[1], 0xffff888000000000, 8));
  result("write from a non-canonical address", sys3(__NR_write, pipe[1], 0x800000000000, 8));
  result("write of eight", sys3(__NR_write, pipe[1], "12345678", 8));
  result("read to read-only memory", sys3(__NR_read, pipe[0], read_only, 8));
  result("read to nothing", sys3(__NR_read, pipe[0], hole, 8));
  result("read to past the file", sys3(__NR_read, pipe[0], cut + PAGE, 8));
  result("no signal", last_fault.happened);
}

static void guard_efault(void) {
  int pipe[2];
  MUST(sys1(__NR_pipe, pipe));
  char* page = private_at(fresh_place(), 2, kRw);
  write_pages(page, 2);
  result("install", sys3(__NR_madvise, page + PAGE, PAGE, 102));
  result("write from a guard", sys3(__NR_write, pipe[1], page + PAGE, 8));
  result("write that runs into a guard", sys3(__NR_write, pipe[1], page + PAGE - 4, 8));
  result("no signal", last_fault.happened);
}

const struct known_case cases[] = {
    {"no_vma", no_vma},
    {"prot_none_untouched", prot_none_untouched},
    {"prot_none_touched", prot_none_touched},
    {"write_read_only", write_read_only},
    {"exec_data_absent", exec_data_absent},
    {"exec_data_present", exec_data_present},
    {"kernel_addresses", kernel_addresses},
    {"non_canonical", non_canonical},
    {"vsyscall_read", vsyscall_read},
    {"locked_and_string", locked_and_string},
    {"string_across_pages", string_across_pages},
    {"straddling", straddling},
    {"straddling_backwards", straddling_backwards},
    {"clflush_and_prefetch", clflush_and_prefetch},
    {"past_end_of_file", past_end_of_file},
    {"past_end_of_disk_file", past_end_of_disk_file},
    {"guard_region", guard_region},
    {"kernel_copies", kernel_copies},
    {"guard_efault", guard_efault},
    {0, 0},
};
