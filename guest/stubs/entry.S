// The entry stubs: user code enters at an exception or SYSCALL, the OUT is the exit to the host,
// and IRETQ goes back. Copied into guest memory as they are; everything is position independent.
//
// While the vCPU stands at the OUT the host fills the IRETQ frame in guest memory and sets the
// general registers, RSP included. Under software-emulated supervisor code each instruction costs
// 0.4 us, so there are as few as can be. Two variants:
//   faultline_stubs         RSP = IRETQ frame, RAX = user RAX.
//   faultline_stubs_flush   RAX = the CR3 to load (which flushes the TLB), or 0 for none;
//                           RSP = user RAX, with the IRETQ frame above it.
#include "guest/abi.h"

.macro RESUME flush
  .if \flush
    testq %rax, %rax
    jz 1f
    movq %rax, %cr3
1:  popq %rax
  .endif
  iretq
.endm

.macro STUBS name, flush
  .balign 64
  .globl \name
\name:
  .set vector, 0
  .rept FL_VECTORS
    .org \name + vector * FL_STUB_BYTES, 0xcc
    .if !((FL_VECTORS_WITH_ERROR_CODE >> vector) & 1)
      pushq $0
    .endif
    pushq %rax
    movq %cr2, %rax
    outb %al, $(FL_PORT_EXCEPTION + vector)
    RESUME \flush
    .set vector, vector + 1
  .endr
  .org \name + FL_STUB_SYSCALL, 0xcc
  outb %al, $FL_PORT_SYSCALL      // RSP is still user code's
  RESUME \flush
  .org \name + FL_STUB_RESUME, 0xcc
  RESUME \flush
  .org \name + FL_STUB_END, 0xcc
.endm

.section .rodata
STUBS faultline_stubs, 0
STUBS faultline_stubs_flush, 1
.section .note.GNU-stack, "", @progbits
