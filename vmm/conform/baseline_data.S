// The baseline that comes with Faultline, as bytes: it is there wherever the program is.
.section .rodata
.globl faultline_conformance_baseline
faultline_conformance_baseline:
  .incbin "vmm/conform/conformance-baseline.json"
1:
  .byte 0
.balign 8
.globl faultline_conformance_baseline_bytes
faultline_conformance_baseline_bytes:
  .quad 1b - faultline_conformance_baseline
.section .note.GNU-stack, "", @progbits
