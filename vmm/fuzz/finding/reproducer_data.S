// What every reproducer begins with, as bytes.
.section .rodata
.globl faultline_reproducer_runtime
faultline_reproducer_runtime:
  .incbin "vmm/fuzz/finding/reproducer_runtime.c"
1:
  .byte 0
.balign 8
.globl faultline_reproducer_runtime_bytes
faultline_reproducer_runtime_bytes:
  .quad 1b - faultline_reproducer_runtime
.section .note.GNU-stack, "", @progbits
