// Signals of faults: when they can't be delivered, where they are, what they say (section 9).
#include "guest/programs/fidelity/family.h"

#include <asm/sigcontext.h>
#include <asm/siginfo.h>
#include <asm/ucontext.h>

void restore_signal(void);
void probe_recover(void);

static void handle(int signal, void* handler, u64 flags) {
  struct sigaction action = {0};
  action.sa_handler = (__sighandler_t)handler;
  action.sa_flags = SA_SIGINFO | SA_RESTORER | flags;
  action.sa_restorer = restore_signal;
  MUST(sys4(__NR_rt_sigaction, signal, &action, 0, sizeof(sigset_t)));
}

static void block(int signal) {
  u64 set = 1UL << (signal - 1);
  MUST(sys4(__NR_rt_sigprocmask, 0, &set, 0, 8));
}

static void fault_for_good(void) {
  flush();
  *(volatile char*)8 = 1;
  text("alive\n");
}

static void ignored(void) {
  handle(SIGSEGV, (void*)1, 0);
  fault_for_good();
}

static void blocked(void) {
  block(SIGSEGV);
  fault_for_good();
}

static void blocked_bus(void) {
  block(SIGBUS);
  char* m = file_at(fresh_place(), 2, kRw, MAP_SHARED, numbered_file(1), 0);
  flush();
  m[PAGE] = 1;
}

static void by_default(void) {
  handle(SIGSEGV, 0, 0);
  fault_for_good();
}

static void by_default_bus(void) {
  handle(SIGBUS, 0, 0);
  char* m = file_at(fresh_place(), 2, kRw, MAP_SHARED, numbered_file(1), 0);
  flush();
  m[PAGE] = 1;
}

static char alternate[16 * PAGE];
static volatile int on_alternate;

static void where_am_i(int signal, struct siginfo* info, struct ucontext* context) {
  (void)info;
  char here;
  on_alternate = &here >= alternate && &here < alternate + sizeof alternate;
  result("signal", signal);
  context->uc_mcontext.rip = (u64)&probe_recover;
}

static void use_stack(void* at, u64 bytes, int flags) {
  stack_t stack = {.ss_sp = at, .ss_size = bytes, .ss_flags = flags};
  result("sigaltstack", sys2(__NR_sigaltstack, &stack, 0));
}

static void on_an_alternate_stack(void) {
  write_pages(alternate, 16);
  use_stack(alternate, sizeof alternate, 0);
  handle(SIGSEGV, where_am_i, SA_ONSTACK);
  result("faulted", probe_load(fresh_place()));
  result("on it", on_alternate);
  handle(SIGSEGV, where_am_i, 0);
  result("faulted", probe_load(fresh_place()));
  result("not on it without the flag", on_alternate);
}

static void no_stack_left(void) {
  use_stack(fresh_place(), 16 * PAGE, 0);
  handle(SIGSEGV, where_am_i, SA_ONSTACK);
  fault_for_good();
}

static void read_only_stack_pointer(void) {
  char* m = private_at(fresh_place(), 16, kRead);
  flush();
  handle(SIGSEGV, where_am_i, 0);
  __asm__ volatile("mov %0, %%rsp\n movb $1, 0" ::"r"(m + 15 * PAGE) : "memory");
}

static void mask_during_the_handler(int signal, struct siginfo* info, struct ucontext* context) {
  (void)signal;
  (void)info;
  u64 now = 0;
  sys4(__NR_rt_sigprocmask, 0, 0, &now, 8);
  result("SIGSEGV blocked", (long)(now >> (SIGSEGV - 1) & 1));
  result("SIGUSR1 blocked", (long)(now >> (SIGUSR1 - 1) & 1));
  context->uc_mcontext.rip = (u64)&probe_recover;
}

static void masks(void) {
  handle(SIGSEGV, mask_during_the_handler, 0);
  result("faulted", probe_load(fresh_place()));
  handle(SIGSEGV, mask_during_the_handler, SA_NODEFER);
  result("faulted", probe_load(fresh_place()));
  u64 after = 0;
  MUST(sys4(__NR_rt_sigprocmask, 0, 0, &after, 8));
  result("mask afterwards", (long)after);
}

static void fault_again(int signal, struct siginfo* info, struct ucontext* context) {
  (void)signal, (void)info, (void)context;
  *(volatile char*)16 = 1;
}

static void fault_while_blocked_in_the_handler(void) {
  handle(SIGSEGV, fault_again, 0);
  fault_for_good();
}

static void once(void) {
  handle(SIGSEGV, where_am_i, SA_RESETHAND);
  result("faulted", probe_load(fresh_place()));
  fault_for_good();
}

static void fault_is_retried(int signal, struct siginfo* info, struct ucontext* context) {
  (void)signal, (void)context;
  private_at((char*)((u64)info->si_addr & ~(PAGE - 1)), 1, kRw);
}

static void handler_repairs(void) {
  handle(SIGSEGV, fault_is_retried, 0);
  char* m = fresh_place();
  mark();
  m[8] = 5;
  m[PAGE + 8] = 6;
  tell("two faults, two signals");
  result("written", m[8] + m[PAGE + 8]);
}

static void presence_of_kernel_memory_is_hidden(void) {
  report("mapped or not", probe_load((void*)0xffff888000000000), 0);
  report("cannot be mapped", probe_load((void*)0xffff800000000000), 0);
  report("write", probe_store((void*)0xfffffffffffff000), 0);
}

static void stale_after_general_protection(void) {
  char* hole = fresh_place();
  report("page fault", probe_store(hole + 77), hole);
  report("general protection", probe_load((void*)0x9000000000000000), 0);
  result("trap number", (long)last_fault.trapno);
  result("error", (long)last_fault.error);
  result("cr2 of before", (long)(last_fault.cr2 - (u64)hole));
  result("address", (long)last_fault.address);
  report("divide", probe_divide(), 0);
  result("cr2 of before", (long)(last_fault.cr2 - (u64)hole));
}

static volatile u64 sent_trap, sent_error, sent_cr2;

static void note_context(int signal, struct siginfo* info, struct ucontext* context) {
  (void)signal, (void)info;
  sent_trap = context->uc_mcontext.trapno;
  sent_error = context->uc_mcontext.err;
  sent_cr2 = context->uc_mcontext.cr2;
}

static void kept_for_the_next_signal(void) {
  char* hole = fresh_place();
  handle(SIGUSR1, note_context, 0);
  report("page fault", probe_store(hole + 78), hole);
  MUST(sys2(__NR_kill, sys0(__NR_getpid), SIGUSR1));
  result("trap number", (long)sent_trap);
  result("error", (long)sent_error);
  result("cr2", (long)(sent_cr2 - (u64)hole));
}

static void resolved_faults_leave_no_trace(void) {
  char* hole = fresh_place();
  char* m = private_at(fresh_place(), 2, kRw);
  handle(SIGUSR1, note_context, 0);
  report("page fault", probe_store(hole + 79), hole);
  write_pages(m, 2);
  MUST(sys2(__NR_kill, sys0(__NR_getpid), SIGUSR1));
  result("cr2", (long)(sent_cr2 - (u64)hole));
  result("error", (long)sent_error);
}

const struct known_case cases[] = {
    {"ignored", ignored},
    {"blocked", blocked},
    {"blocked_bus", blocked_bus},
    {"by_default", by_default},
    {"by_default_bus", by_default_bus},
    {"on_an_alternate_stack", on_an_alternate_stack},
    {"no_stack_left", no_stack_left},
    {"read_only_stack_pointer", read_only_stack_pointer},
    {"masks", masks},
    {"fault_while_blocked_in_the_handler", fault_while_blocked_in_the_handler},
    {"once", once},
    {"handler_repairs", handler_repairs},
    {"presence_of_kernel_memory_is_hidden", presence_of_kernel_memory_is_hidden},
    {"stale_after_general_protection", stale_after_general_protection},
    {"kept_for_the_next_signal", kept_for_the_next_signal},
    {"resolved_faults_leave_no_trace", resolved_faults_leave_no_trace},
    {0, 0},
};
