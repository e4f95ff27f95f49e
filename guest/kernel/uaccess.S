// Access to user memory that can fail: each instruction that may fault has an entry in the exception
// table. EFLAGS.AC opens user memory where SMAP is on; POPF sets it, because STAC and CLAC are not
// emulated everywhere (docs/kvm.md).
#include "guest/abi.h"

#define JUMP 1
#define ERROR(reg) (2 | (reg) << 8)
#define RAX 0

.macro EXTABLE instruction, fixup, kind
    .pushsection __ex_table, "a"
    .balign 4
    .long \instruction - ., \fixup - ., \kind
    .popsection
.endm

.macro OPEN
    pushfq
    orl     $0x40000, (%rsp)
    popfq
.endm
.macro CLOSE
    pushfq
    andl    $~0x40000, (%rsp)
    popfq
.endm
.macro FUNCTION name
    .globl \name
    .type \name, @function
\name:
.endm

    .text

// int get_user(long *value, const long *from): 0, or -EFAULT and a value of 0
FUNCTION get_user
    OPEN
1:  movq    (%rsi), %rdx
    movq    %rdx, (%rdi)
    xorl    %eax, %eax
    CLOSE
    ret
2:  movq    $0, (%rdi)
    CLOSE
    ret
    EXTABLE 1b, 2b, ERROR(RAX)
    .size get_user, . - get_user

// int put_user(long value, long *to)
FUNCTION put_user
    OPEN
1:  movq    %rdi, (%rsi)
    xorl    %eax, %eax
2:  CLOSE
    ret
    EXTABLE 1b, 2b, ERROR(RAX)
    .size put_user, . - put_user

// long copy_user(void *to, const void *from, long bytes): how many bytes are left. Words first;
// where one faults, bytes find out exactly how far it goes.
FUNCTION copy_user
    movq    %rdx, %rcx
    OPEN
1:  cmpq    $8, %rcx
    jb      4f
2:  movq    (%rsi), %rax
3:  movq    %rax, (%rdi)
    addq    $8, %rsi
    addq    $8, %rdi
    subq    $8, %rcx
    jmp     1b
4:  testq   %rcx, %rcx
    jz      7f
5:  movb    (%rsi), %al
6:  movb    %al, (%rdi)
    incq    %rsi
    incq    %rdi
    decq    %rcx
    jmp     4b
7:  movq    %rcx, %rax
    CLOSE
    ret
    EXTABLE 2b, 4b, JUMP
    EXTABLE 3b, 4b, JUMP
    EXTABLE 5b, 7b, JUMP
    EXTABLE 6b, 7b, JUMP
    .size copy_user, . - copy_user

// long read_user_unchecked(const long *from): the access has no entry
FUNCTION read_user_unchecked
    OPEN
    movq    (%rdi), %rax
    CLOSE
    ret
    .size read_user_unchecked, . - read_user_unchecked
    .section .note.GNU-stack, "", @progbits
