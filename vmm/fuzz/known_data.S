// The known deviations that come with Faultline, as bytes: they are there wherever the program is.
.section .rodata
.globl faultline_known_deviations
faultline_known_deviations:
  .incbin "vmm/fuzz/known-deviations.json"
1:
  .byte 0
.balign 8
.globl faultline_known_deviations_bytes
faultline_known_deviations_bytes:
  .quad 1b - faultline_known_deviations
.section .note.GNU-stack, "", @progbits
