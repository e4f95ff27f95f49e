// From the exception to the decision: what the fault says, what the kernel does with it (section 1).
#include "guest/programs/fidelity/cases.h"

#include <asm/sigcontext.h>
#include <asm/siginfo.h>
#include <asm/ucontext.h>

void restore_signal(void);
void probe_recover(void);

static void cr2_is_the_byte(void) {
  char* hole = fresh_place();
  static const int offsets[] = {0, 1, 7, 8, 63, 64, 2047, 4088, 4095};
  for (u64 i = 0; i < sizeof offsets / sizeof offsets[0]; ++i) {
    report("read", probe_load(hole + offsets[i]), hole);
    report("write", probe_store(hole + offsets[i]), hole);
  }
}

static char* inner_hole;
static volatile int inner_faulted;
static volatile u64 outer_before, outer_after;

static void faulting_handler(int signal, struct siginfo* info, struct ucontext* context) {
  (void)signal;
  (void)info;
  outer_before = context->uc_mcontext.cr2;
  inner_faulted = *(volatile char*)inner_hole;  // resolved: a page of anonymous memory
  outer_after = context->uc_mcontext.cr2;
  context->uc_mcontext.rip = (u64)&probe_recover;
}

static void handle_with(void (*handler)(int, struct siginfo*, struct ucontext*), u64 flags) {
  struct sigaction action = {0};
  action.sa_handler = (__sighandler_t)(void*)handler;
  action.sa_flags = SA_SIGINFO | SA_RESTORER | flags;
  action.sa_restorer = restore_signal;
  MUST(sys4(__NR_rt_sigaction, SIGSEGV, &action, 0, sizeof(sigset_t)));
}

static void fault_inside_a_handler(void) {
  char* hole = fresh_place();
  inner_hole = private_at(fresh_place(), 1, kRw);
  handle_with(faulting_handler, 0);
  result("outer faulted", probe_load(hole + 5));
  result("cr2 of the outer fault", (long)(outer_before - (u64)hole));
  result("it stays", outer_before == outer_after);
  result("inner value", inner_faulted);
}

static volatile int nesting, deepest;

static void nesting_handler(int signal, struct siginfo* info, struct ucontext* context) {
  (void)signal;
  const u64 address = (u64)info->si_addr;
  if (++nesting > deepest) deepest = nesting;
  if (nesting < 3) probe_load((char*)address + 1);
  result("address of this level", (long)(address & (PAGE - 1)));
  result("cr2 of this level", (long)(context->uc_mcontext.cr2 & (PAGE - 1)));
  --nesting;
  context->uc_mcontext.rip = (u64)&probe_recover;
}

static void signal_inside_a_handler(void) {
  handle_with(nesting_handler, SA_NODEFER);
  result("outer faulted", probe_load(fresh_place() + 5));
  result("deepest", deepest);
}

static void last_user_page(void) {
  report("below the limit, no mapping", probe_load((void*)0x7fffffffefff), 0);
  report("first byte beyond", probe_load((void*)0x7ffffffff000), 0);
  report("last byte of the lower half", probe_load((void*)0x7fffffffffff), 0);
  report("write to it", probe_store((void*)0x7fffffffffff), 0);
  report("across the limit", probe_load8((void*)0x7fffffffeffc), 0);
  result("mmap of the page beyond", sysmmap(0x7ffffffff000, PAGE, kRead, kPrivate | MAP_FIXED, -1, 0));
  result("write(2) from there", sys3(__NR_write, 1, 0x7ffffffff000, 8));
}

static void kernel_half(void) {
  mark();
  report("read", probe_load((void*)0xffff888000000000), 0);
  report("write", probe_store((void*)0xffffffff81000000), 0);
  report("read across the start", probe_load8((void*)0xffff7ffffffffffc), 0);
  tell("none is counted");
}

static void kernel_half_trapno(void) {
  report("a hole first", probe_load(fresh_place()), 0);
  report("a kernel address", probe_load((void*)0xffffc90000000123), 0);
  result("cr2 is the whole address", last_fault.cr2 == 0xffffc90000000123);
  result("si_addr too", last_fault.address == 0xffffc90000000123);
}

static void vsyscall_time(void) {
  long (*time)(long*) = (long (*)(long*))0xffffffffff600400;
  long here = 0;
  long value = time(&here);
  long real = sys1(__NR_time, 0);
  result("the same clock", value > 0 && real - value >= 0 && real - value < 5);
  result("stored", here == value);
  long (*getcpu)(unsigned*, unsigned*, void*) = (long (*)(unsigned*, unsigned*, void*))0xffffffffff600800;
  unsigned node = 7;
  result("getcpu", getcpu(0, &node, 0));
  result("node", node);
}

static void vsyscall_elsewhere(void) {
  report("call of its second byte", probe_call((void*)0xffffffffff600001), 0);
  report("call of a slot that is none", probe_call((void*)0xffffffffff600c00), 0);
  report("write", probe_store((void*)0xffffffffff600000), 0);
}

static void short_counts(void) {
  char* page = private_at(fresh_place(), 3, kRw);
  write_pages(page, 3);
  MUST(sys3(__NR_mprotect, page + PAGE, PAGE, PROT_NONE));
  int fd = numbered_file(2);
  result("read across PROT_NONE", sys4(__NR_pread64, fd, page + PAGE - 100, 300, 0));
  result("read into it", sys4(__NR_pread64, fd, page + PAGE, 300, 0));
  result("read from the page before", page[PAGE - 1]);
  result("write across PROT_NONE", sys4(__NR_pwrite64, fd, page + PAGE - 100, 300, 0));
  result("write from it", sys4(__NR_pwrite64, fd, page + PAGE, 300, 0));
  result("readv over two", sys3(__NR_read, fd, page + 2 * PAGE, 10));
}

static void bad_pointers(void) {
  char* hole = fresh_place();
  result("stat", sys2(__NR_stat, hole, hole));
  result("stat of a good name", sys2(__NR_stat, "/", hole));
  result("open", sys3(__NR_open, hole, 0, 0));
  result("pipe", sys1(__NR_pipe, hole));
  result("nanosleep", sys2(__NR_nanosleep, hole, 0));
  result("rt_sigaction", sys4(__NR_rt_sigaction, SIGUSR1, hole, 0, 8));
  result("rt_sigprocmask", sys4(__NR_rt_sigprocmask, 0, 0, hole, 8));
  result("futex", sys6(__NR_futex, (long)hole, 0, 0, 0, 0, 0));
  result("getcwd", sys2(__NR_getcwd, hole, 100));
  result("uname", sys1(__NR_uname, hole));
  result("getrusage", sys2(__NR_getrusage, 0, hole));
  result("kernel half", sys3(__NR_read, 0, 0xffff888000000000, 1));
  result("no signal", last_fault.happened);
}

static void sigbus_address(void) {
  char* file = file_at(fresh_place(), 2, kRw, MAP_SHARED, numbered_file(1), 0);
  static const int offsets[] = {0, 1, 8, 4088, 4095};
  mark();
  for (u64 i = 0; i < sizeof offsets / sizeof offsets[0]; ++i)
    report("bus error", probe_load(file + PAGE + offsets[i]), file);
  tell("not counted");
  report("across the end", probe_load8(file + PAGE - 4), file);
}

static void prefetches(void) {
  char* hole = fresh_place();
  char* none = private_at(fresh_place(), 1, PROT_NONE);
  mark();
  report("nothing", probe_prefetch(hole), hole);
  report("PROT_NONE", probe_prefetch(none), none);
  report("kernel half", probe_prefetch((void*)0xffffffff81000000), 0);
  report("non-canonical", probe_prefetch((void*)0x8000000000000000), 0);
  tell("none faults");
  report("clflush of PROT_NONE", probe_clflush(none + 1), none);
}

static void segv_and_then_mapped(void) {
  char* place = fresh_place();
  report("before", probe_store(place), place);
  private_at(place, 1, kRw);
  mark();
  report("after", probe_store(place), place);
  tell("one page");
}

const struct known_case cases[] = {
    {"cr2_is_the_byte", cr2_is_the_byte},
    {"fault_inside_a_handler", fault_inside_a_handler},
    {"signal_inside_a_handler", signal_inside_a_handler},
    {"last_user_page", last_user_page},
    {"kernel_half", kernel_half},
    {"kernel_half_trapno", kernel_half_trapno},
    {"vsyscall_time", vsyscall_time},
    {"vsyscall_elsewhere", vsyscall_elsewhere},
    {"short_counts", short_counts},
    {"bad_pointers", bad_pointers},
    {"sigbus_address", sigbus_address},
    {"prefetches", prefetches},
    {"segv_and_then_mapped", segv_and_then_mapped},
    {0, 0},
};
