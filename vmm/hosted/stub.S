// The code of the stub process. Position independent; copied to the start of the stub's region.
// Two threads share the guest's address space. The guest thread runs guest code and, when a
// signal interrupts it, the handler below. The helper thread runs no guest code: it makes the
// mapping calls that the VMM wrote into the command pages, which nobody in this process can write,
// and its seccomp filter is the only one that allows such calls. It uses no stack.
#include <asm/unistd.h>
#include "vmm/hosted/stub_layout.h"

#define FUTEX_WAIT 0
#define FUTEX_WAKE 1
#define SIG_SETMASK 2
#define SECCOMP_SET_MODE_FILTER 1
// CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |
// CLONE_PARENT_SETTID: the id is in its place before the thread runs
#define THREAD_FLAGS 0x150f00

.macro FUTEX word, operation, value
  leaq \word(%rbx), %rdi
  movl $\operation, %esi
  movl $\value, %edx
  xorl %r10d, %r10d
  movl $__NR_futex, %eax
  syscall
.endm

.section .rodata
.balign 64
.globl faultline_hosted_stub
faultline_hosted_stub:

// The helper thread. Everything of the process but this region and the three descriptors is
// either gone already or the first thing that the VMM asks to be unmapped.
  leaq faultline_hosted_stub + FLH_DATA(%rip), %rbx
  leaq faultline_hosted_stub + FLH_COMMANDS(%rip), %rbp
  movl $THREAD_FLAGS, %edi
  leaq faultline_hosted_stub + FLH_REGION_BYTES(%rip), %rsi
  leaq FLH_TID(%rbx), %rdx
  xorl %r10d, %r10d
  xorl %r8d, %r8d
  movl $__NR_clone, %eax
  syscall
  testq %rax, %rax
  jz guest_thread
  js set_up_failed

  movl $SIG_SETMASK, %edi
  leaq FLH_FULL_MASK(%rbx), %rsi
  xorl %edx, %edx
  movl $8, %r10d
  movl $__NR_rt_sigprocmask, %eax
  syscall
  testq %rax, %rax
  jnz set_up_failed
  movl $SECCOMP_SET_MODE_FILTER, %edi
  xorl %esi, %esi
  leaq FLH_HELPER_FILTER(%rbx), %rdx
  movl $__NR_seccomp, %eax
  syscall
  testq %rax, %rax
  jnz set_up_failed

next_command:
  movl $FLH_COMMAND_FD, %edi
  leaq FLH_SCRATCH(%rbx), %rsi
  movl $1, %edx
  movl $__NR_read, %eax
  syscall
  cmpq $1, %rax
  jne parent_gone
  movl FLH_COMMAND_COUNT(%rbp), %r12d
  leaq FLH_FIRST_CALL(%rbp), %r13
1:
  testl %r12d, %r12d
  jz 2f
  movq 0(%r13), %rax
  movq 8(%r13), %rdi
  movq 16(%r13), %rsi
  movq 24(%r13), %rdx
  movq 32(%r13), %r10
  movq 40(%r13), %r8
  movq 48(%r13), %r9
  syscall
  cmpq $-4095, %rax
  jae call_failed
  addq $FLH_CALL_BYTES, %r13
  decl %r12d
  jmp 1b
2:
  cmpl $0, FLH_COMMAND_RESUME(%rbp)
  je 3f
  movl $1, FLH_GO(%rbx)
  FUTEX FLH_GO, FUTEX_WAKE, 1
  jmp next_command
3:
  movl $FLH_ACK_FD, %edi
  leaq FLH_SCRATCH(%rbx), %rsi
  movl $1, %edx
  movl $__NR_write, %eax
  syscall
  jmp next_command

parent_gone:
  movl $FLH_EXIT_PARENT_GONE, %edi
  jmp leave
set_up_failed:
  movl %eax, FLH_ERROR(%rbx)
  movl $FLH_EXIT_SET_UP, %edi
  jmp leave
call_failed:
  movl %eax, FLH_ERROR(%rbx)
  movl $FLH_EXIT_CALL_FAILED, %edi
leave:
  movl $__NR_exit_group, %eax
  syscall
  ud2

// The guest thread gives itself its signal stack and its filter, and reports its first stop by
// an exception, upon which the VMM has a complete frame to put the guest's first state into.
guest_thread:
  leaq FLH_STACK_T(%rbx), %rdi
  xorl %esi, %esi
  movl $__NR_sigaltstack, %eax
  syscall
  testq %rax, %rax
  jnz set_up_failed
  movl $SECCOMP_SET_MODE_FILTER, %edi
  xorl %esi, %esi
  leaq FLH_GUEST_FILTER(%rbx), %rdx
  movl $__NR_seccomp, %eax
  syscall
  testq %rax, %rax
  jnz set_up_failed
  ud2

// Entered by the kernel with the guest's state in the frame at RSP. Guest code may have set AC:
// nothing here accesses memory unaligned.
.globl faultline_hosted_handler
faultline_hosted_handler:
  leaq faultline_hosted_stub + FLH_DATA(%rip), %rbx
  rdfsbase %rax
  movq %rax, FLH_FS_BASE(%rbx)
  rdgsbase %rax
  movq %rax, FLH_GS_BASE(%rbx)
  movq %rsp, FLH_FRAME(%rbx)
  movl $0, FLH_GO(%rbx)
  movl $FLH_STATE_STOPPED, FLH_STATE(%rbx)
  FUTEX FLH_STATE, FUTEX_WAKE, 1
1:
  cmpl $0, FLH_GO(%rbx)
  jne 2f
  FUTEX FLH_GO, FUTEX_WAIT, 0
  jmp 1b
2:
  movq FLH_FS_BASE(%rbx), %rax
  wrfsbase %rax
  movq FLH_GS_BASE(%rbx), %rax
  wrgsbase %rax
  addq $8, %rsp
  movl $__NR_rt_sigreturn, %eax
  syscall
  ud2

.globl faultline_hosted_stub_end
faultline_hosted_stub_end:
.section .note.GNU-stack, "", @progbits
