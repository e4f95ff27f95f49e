# Faults with a stack pointer that points nowhere, a handler installed: the frame cannot be
# written, so the program is killed by SIGSEGV.
.text
.globl run
run:
    push %rbx
    call catch_faults
    mov $0x10, %rsp
    mov 0, %al
    ud2
.section .note.GNU-stack, "", @progbits
