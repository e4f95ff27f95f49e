# Every general and vector register keeps its value across page faults, and across a system call
# all but RAX, RCX and R11. Exits with 0, or with the number of the register that changed.
.text
.globl run
run:
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
    mov $64, %edi
    call anonymous
    mov %rax, %rdi
    mov $0x1111111111111111, %rbx
    lea 1(%rbx), %rcx
    lea 2(%rbx), %rdx
    lea 3(%rbx), %rsi
    lea 4(%rbx), %rbp
    lea 5(%rbx), %r8
    lea 6(%rbx), %r9
    lea 7(%rbx), %r10
    lea 8(%rbx), %r11
    lea 9(%rbx), %r12
    lea 10(%rbx), %r13
    lea 11(%rbx), %r14
    lea 12(%rbx), %r15
    movq %rbx, %xmm0
    movq %rcx, %xmm7
    movq %rdx, %xmm15
    stc
    movb $1, (%rdi)             # a page fault
    jnc flags_lost
    .set page, 4096
    .rept 8
    movb %cl, page(%rdi)
    .set page, page + 4096
    .endr

.macro expect register:req, plus:req, number:req
    lea \plus(%rbx), %rax
    cmp %rax, \register
    mov $\number, %eax
    jne done
.endm
    mov $0x1111111111111111, %rax
    cmp %rax, %rbx
    mov $1, %eax
    jne done
    expect %rcx, 1, 2
    expect %rdx, 2, 3
    expect %rsi, 3, 4
    expect %rbp, 4, 5
    expect %r8, 5, 6
    expect %r9, 6, 7
    expect %r10, 7, 8
    expect %r11, 8, 9
    expect %r12, 9, 10
    expect %r13, 10, 11
    expect %r14, 11, 12
    expect %r15, 12, 13

    mov $39, %eax               # getpid
    syscall
    expect %rdx, 2, 20
    expect %rsi, 3, 21
    expect %rbp, 4, 22
    expect %r8, 5, 23
    expect %r9, 6, 24
    expect %r10, 7, 25
    expect %r12, 9, 26
    expect %r15, 12, 27
    movq %xmm0, %rax
    cmp %rax, %rbx
    mov $30, %eax
    jne done
    movq %xmm7, %rcx
    expect %rcx, 1, 31
    movq %xmm15, %rcx
    expect %rcx, 2, 32
    xor %eax, %eax
    jmp done
flags_lost:
    mov $40, %eax
done:
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
    ret
.section .note.GNU-stack, "", @progbits
