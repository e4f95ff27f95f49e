// The entry stubs: user code enters at an exception or SYSCALL, the OUT is the exit to the host,
// and IRETQ goes back. Copied into guest memory as they are; everything is position independent.
//
// While the vCPU stands at the OUT the host fills the IRETQ frame in guest memory and sets the
// general registers, RSP included. Under software-emulated supervisor code each instruction costs
// 0.4 us, so there are as few as can be. Two variants:
//   faultline_stubs         RSP = IRETQ frame, RAX = user RAX.
//   faultline_stubs_flush   RSP = user RAX, with the IRETQ frame above it, and RAX one of
//                           0: nothing to do;
//                           up to FL_MAX_INVALIDATIONS: so many descriptors of INVPCID are at RSP,
//                           below user RAX, each for one address of one PCID;
//                           a value for CR3, with the PCID and bit 63 (no flush) where there are PCIDs,
//                           and FL_CR3_AFRESH: CR4.PGE is toggled, which drops everything.
//
// The gate of INT3 leads to a stub of its own in front: in user code that has page tables to go over to
// (vmm/port/vcpu.hpp, set_page_table_steps) it loads the next ones and goes back. Its stack is the
// vCPU's own, so that what it needs is at a fixed distance from RSP.
#include "guest/abi.h"

#define FL_CR4_PGE 7
#define FL_STEP_RSP 0xfd0 /* in the vCPU's page, behind the push of RAX */

.macro RESUME flush, tlb
  .if \flush
    testq %rax, %rax
    jnz \tlb
    popq %rax
  .endif
  iretq
.endm

// SDM vol. 2A, "INVPCID": type 0 is one address.
.macro TLB
  cmpq $FL_MAX_INVALIDATIONS, %rax
  ja 2f
1:
  pushq %rax
  xorl %eax, %eax
  invpcid 8(%rsp), %rax
  popq %rax
  leaq 16(%rsp), %rsp
  decq %rax
  jnz 1b
  popq %rax
  iretq
2:
  btrq $FL_CR3_AFRESH, %rax
  jc 3f
  movq %rax, %cr3
  popq %rax
  iretq
3:
  movq %rax, %cr3
  movq %cr4, %rax
  btcq $FL_CR4_PGE, %rax
  movq %rax, %cr4
  btcq $FL_CR4_PGE, %rax
  movq %rax, %cr4
  popq %rax
  iretq
.endm

.macro STEP name
  testb $3, 8(%rsp)               // CS: code at CPL0 has whatever stack it likes
  jz \name + 3 * FL_STUB_BYTES
  pushq %rax
  movq (FL_STEP_NEXT - FL_STEP_RSP)(%rsp), %rax
  movq (%rax), %rax
  testq %rax, %rax
  jz 1f
  addq $8, (FL_STEP_NEXT - FL_STEP_RSP)(%rsp)
  movq %rax, %cr3
  popq %rax
  iretq
1:
  popq %rax
  jmp \name + 3 * FL_STUB_BYTES
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
    RESUME \flush, \name\()_tlb
    .set vector, vector + 1
  .endr
  .org \name + FL_STUB_SYSCALL, 0xcc
  outb %al, $FL_PORT_SYSCALL      // RSP is still user code's
  RESUME \flush, \name\()_tlb
  .org \name + FL_STUB_RESUME, 0xcc
  RESUME \flush, \name\()_tlb
  .org \name + FL_STUB_TLB, 0xcc
\name\()_tlb:
  .if \flush
    TLB
  .endif
  .org \name + FL_STUB_STEP, 0xcc
  STEP \name
  .org \name + FL_STUB_END, 0xcc
.endm

.section .rodata
STUBS faultline_stubs, 0
STUBS faultline_stubs_flush, 1
.section .note.GNU-stack, "", @progbits
