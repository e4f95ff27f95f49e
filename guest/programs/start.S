# Entry, the raw system call, the probes and the signal trampoline.
.text
.globl _start
_start:
    xor %ebp, %ebp
    mov (%rsp), %edi
    lea 8(%rsp), %rsi
    and $-16, %rsp
    call run
    mov %eax, %edi
    call leave
    ud2

.globl sys6
sys6:
    mov %rdi, %rax
    mov %rsi, %rdi
    mov %rdx, %rsi
    mov %rcx, %rdx
    mov %r8, %r10
    mov %r9, %r8
    mov 8(%rsp), %r9
    syscall
    ret

.globl restore_signal
restore_signal:
    mov $15, %eax               # rt_sigreturn
    syscall

.globl probe_recover
probe_recover:
    pushfq                      # the probe may have set AC
    andl $~0x40000, (%rsp)
    popfq
    mov $1, %eax
    ret

.macro probe name:req, instruction:vararg
.globl \name
\name:
    \instruction
    xor %eax, %eax
    ret
.endm

probe probe_load, movb (%rdi), %al
probe probe_load8, movq (%rdi), %rax
probe probe_store, movb $1, (%rdi)
probe probe_store8, movq $1, (%rdi)
probe probe_lock_inc, lock incl (%rdi)
probe probe_clflush, clflush (%rdi)
probe probe_prefetch, prefetcht0 (%rdi)
probe probe_ud2, ud2
probe probe_int3, int3
probe probe_hlt, hlt

.globl probe_copy
probe_copy:
    mov %rdx, %rcx
    rep movsb
    xor %eax, %eax
    ret

.globl probe_fill
probe_fill:
    mov %rsi, %rcx
    mov $0x55, %al
    rep stosb
    xor %eax, %eax
    ret

.globl probe_divide
probe_divide:
    xor %edx, %edx
    xor %ecx, %ecx
    mov $7, %eax
    div %ecx
    xor %eax, %eax
    ret

# The callee leaves 0 in %eax; a fault on the way comes back through probe_recover, which
# returns here as well.
.globl probe_call
probe_call:
    call *%rdi
    ret

.section .rodata
.globl probe_code
probe_code:
    .byte 0x31, 0xc0, 0xc3, 0x90, 0x90, 0x90

.section .note.GNU-stack, "", @progbits
