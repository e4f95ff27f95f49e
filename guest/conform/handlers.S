// Exception handlers of the conformance runner: write down what the CPU reports, in the record
// that R14 points to, and go on at R15 (EBX and EBP in 32-bit code). Copied into guest memory as they are; position independent.
// Every gate of 64-bit code switches to a stack of its own, so the frame can be taken apart with POP
// and the interrupted code's stack does not matter. Under software-emulated supervisor code each
// instruction costs 0.4 us, so there are as few as can be.
#include "guest/abi.h"

.section .rodata
.balign 64
.globl faultline_conform_handlers
faultline_conform_handlers:
  .set vector, 0
  .rept FL_VECTORS
    .org faultline_conform_handlers + vector * FL_CONFORM_HANDLER_BYTES, 0xcc
    .if !((FL_VECTORS_WITH_ERROR_CODE >> vector) & 1)
      pushq $0
    .endif
    movq $vector, FL_CONFORM_VECTOR(%r14)
    jmp write_down
    .set vector, vector + 1
  .endr
  .org faultline_conform_handlers + FL_VECTORS * FL_CONFORM_HANDLER_BYTES, 0xcc
write_down:
  popq FL_CONFORM_ERROR(%r14)
  popq FL_CONFORM_RIP(%r14)
  popq FL_CONFORM_CS(%r14)
  popq FL_CONFORM_RFLAGS(%r14)
  popq FL_CONFORM_RSP(%r14)
  movq %rax, FL_CONFORM_RAX(%r14)
  movq %rcx, FL_CONFORM_RCX(%r14)
  movq %cr2, %rax
  movq %rax, FL_CONFORM_CR2(%r14)
  jmp *%r15
.globl faultline_conform_handlers_end
faultline_conform_handlers_end:

.code32
.balign 64
.globl faultline_conform_handlers32
faultline_conform_handlers32:
  .set vector, 0
  .rept FL_VECTORS
    .org faultline_conform_handlers32 + vector * FL_CONFORM_HANDLER_BYTES, 0xcc
    .if !((FL_VECTORS_WITH_ERROR_CODE >> vector) & 1)
      pushl $0
    .endif
    movl $vector, FL_CONFORM_VECTOR(%ebx)
    jmp write_down32
    .set vector, vector + 1
  .endr
  .org faultline_conform_handlers32 + FL_VECTORS * FL_CONFORM_HANDLER_BYTES, 0xcc
write_down32:
  popl FL_CONFORM_ERROR(%ebx)
  popl FL_CONFORM_RIP(%ebx)
  popl FL_CONFORM_CS(%ebx)
  popl FL_CONFORM_RFLAGS(%ebx)
  movl %eax, FL_CONFORM_RAX(%ebx)
  movl %ecx, FL_CONFORM_RCX(%ebx)
  movl %cr2, %eax
  movl %eax, FL_CONFORM_CR2(%ebx)
  jmp *%ebp
.globl faultline_conform_handlers32_end
faultline_conform_handlers32_end:
.section .note.GNU-stack, "", @progbits
