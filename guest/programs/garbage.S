# Jumps into bytes that are no instruction: killed by SIGILL.
.text
.globl run
run:
    lea bytes(%rip), %rax
    jmp *%rax
bytes:
    .byte 0x06, 0x0e, 0x16, 0x1e, 0xff, 0xff
.section .note.GNU-stack, "", @progbits
