// Probes, context tracking and perf's events; user code that reaches for the kernel.
#include "kernel.h"

extern long probed_read(void);
extern char probed_instruction[], probed_resume[];
__asm__(
    ".text\n"
    ".type probed_read, @function\n"
    "probed_read: movl $1, %eax\n"
    "probed_instruction: movq 0x18, %rdx\n"
    "xorl %eax, %eax\n"
    "probed_resume: ret\n"
    ".size probed_read, . - probed_read\n");

extern char user_reads[], user_writes[], user_calls[], user_end[];
__asm__(
    ".section .rodata\n"
    "user_reads: movabsq $0xffffffff81000000, %rax; movq (%rax), %rax; ud2\n"
    "user_writes: movabsq $0xffffffff81000000, %rax; movq %rax, (%rax); ud2\n"
    "user_calls: movl $39, %eax; syscall; ud2\n"
    "user_end:\n"
    ".text\n");

static long run_user(const char* code, const char* end) {
  char* page = user_pages(2, PROT_READ | PROT_WRITE | PROT_EXEC);
  if (copy_to_user(page, code, end - code) != 0) return -1;
  return host(FL_CALL_USER, (long)page, (long)(page + 2 * PAGE - 16), 0);
}

long program(void) {
  long failed = 0;
  failed += expect("a task past the end ", host(FL_CALL_TASK, -8, 0, 0), -22);
  failed += expect("probe ", host(FL_CALL_PROBE, (long)probed_instruction, (long)probed_resume, 0), 0);
  failed += expect("probed ", probed_read(), 1);

  const long kernel = count(FL_COUNT_FROM_KERNEL), faults = count(FL_COUNT_PAGE_FAULTS);
  put_user(1, user_pages(1, PROT_READ | PROT_WRITE));
  failed += expect("one from the kernel ", count(FL_COUNT_FROM_KERNEL) - kernel, 1);
  failed += expect("one event ", count(FL_COUNT_PAGE_FAULTS) - faults, 1);

  const long user = count(FL_COUNT_FROM_USER);
  failed += expect("user code reads the kernel ", run_user(user_reads, user_writes), 11 << 8 | 1);
  failed += expect("one from user code ", count(FL_COUNT_FROM_USER) - user, 1);
  failed += expect("user code writes to it ", run_user(user_writes, user_calls), 11 << 8 | 1);
  failed += expect("a system call ", run_user(user_calls, user_end), 0);
  print_number("failed: ", failed);
  return failed;
}
