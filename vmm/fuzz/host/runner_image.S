// The runner, as it was linked: it is there wherever the program is.
.section .rodata
.globl faultline_fuzz_runner_image
faultline_fuzz_runner_image:
  .incbin "fuzz_host_runner"
1:
.balign 8
.globl faultline_fuzz_runner_image_bytes
faultline_fuzz_runner_image_bytes:
  .quad 1b - faultline_fuzz_runner_image
.section .note.GNU-stack, "", @progbits
