# Jumps to a non-canonical address: #GP at the jump, killed by SIGSEGV.
.text
.globl run
run:
    mov $0x8000123456789abc, %rax
    jmp *%rax
.section .note.GNU-stack, "", @progbits
