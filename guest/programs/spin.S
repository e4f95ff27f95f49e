# Never ends and never leaves user mode: only a time limit stops it.
.text
.globl run
run:
    pause
    jmp run
.section .note.GNU-stack, "", @progbits
