// The runner's first instruction, and what C++ cannot say.
#include <asm/unistd.h>

#define RESUME_STACK 0x10000000  // Shared::resume_stack
#define TRAP_FLAG 0x100

.text
// The stack that the kernel gave goes away: the rest runs on one in the shared memory.
.globl _start
_start:
  xorl %ebp, %ebp
  call map_shared  // returns the end of the stack
  movq %rax, %rsp
  xorl %ebp, %ebp
  call runner_main
  ud2

.globl guarded
guarded:
  pushq %rbx
  pushq %rbp
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  subq $8, %rsp
  movq %rsp, RESUME_STACK
  movq %rdi, %rax
  movq %rsi, %rdi
  movq %rdx, %rsi
  call *%rax
  xorl %eax, %eax
2:
  addq $8, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbp
  popq %rbx
  ret

.globl access_given_up
access_given_up:
  movq RESUME_STACK, %rsp
  movl $1, %eax
  jmp 2b

// IRETQ sets TF and jumps in one instruction: the trap comes after the instruction jumped to. RAX
// is not canonical (layout.hpp). The stack has where to return to, for a call of the vsyscall page,
// which Linux emulates: all its functions do nothing with null pointers.
.globl single_step
single_step:
  leaq 3f(%rip), %rax
  pushq %rax
  movq %rsp, %rdx
  movl %ss, %eax
  pushq %rax
  pushq %rdx
  pushfq
  orq $TRAP_FLAG, (%rsp)
  movl %cs, %eax
  pushq %rax
  pushq %rdi
  movabsq $0x0000800000000000, %rax
  xorl %edi, %edi
  xorl %esi, %esi
  xorl %edx, %edx
  iretq
3:
  nop
  ret

// The child must touch nothing of its parent's stack: both have the same memory there.
.globl clone_process
clone_process:
  movq %rsi, %r8   // stays there: an argument that these flags do not use
  movq %rdx, %r9
  xorl %esi, %esi  // the caller's stack pointer
  xorl %edx, %edx
  xorl %r10d, %r10d
  movl $__NR_clone, %eax
  syscall
  testq %rax, %rax
  jz 4f
  ret
4:
  movq %r9, %rsp
  movl %r8d, %edi
  xorl %ebp, %ebp
  call process_main
  ud2

.globl restore_signal
restore_signal:
  movl $__NR_rt_sigreturn, %eax
  syscall

// The compiler may call them.
.globl memset
memset:
  movq %rdi, %r8
  movl %esi, %eax
  movq %rdx, %rcx
  rep stosb
  movq %r8, %rax
  ret
.globl memcpy
memcpy:
  movq %rdi, %rax
  movq %rdx, %rcx
  rep movsb
  ret
.section .note.GNU-stack, "", @progbits
