// Where a kernel program begins: on the stack that the host gave it.
#include "guest/abi.h"

    .text
    .globl _start
    .type _start, @function
_start:
    xorl    %ebp, %ebp          // the end of every call trace
    movl    $FL_CALL_TASK, %eax
    movq    $task, %rdi
    outb    %al, $FL_PORT_KERNEL
    call    program
    movl    %eax, %edi
    xorl    %eax, %eax          // FL_CALL_EXIT
    outb    %al, $FL_PORT_KERNEL
    ud2
    .size _start, . - _start

// long host(long number, long a, long b, long c)
    .globl host
    .type host, @function
host:
    movq    %rdi, %rax
    movq    %rsi, %rdi
    movq    %rdx, %rsi
    movq    %rcx, %rdx
    outb    %al, $FL_PORT_KERNEL
    ret
    .size host, . - host

    .bss
    .balign 16
    .globl task
    .type task, @object
task:
    .skip FL_TASK_BYTES
    .size task, FL_TASK_BYTES
    .section .note.GNU-stack, "", @progbits
