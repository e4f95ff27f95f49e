// Makes the accesses of a program: user code that goes through a list of records without leaving
// the guest. Position independent; copied into guest memory as it is. It keeps nothing but R14, so
// that the host may take it from any access to the next one, and uses no stack.
#include "vmm/fuzz/guest/engine_layout.h"

.macro HANDLER number
  .org faultline_fuzz_engine + (\number) * FLE_HANDLER_BYTES, 0xcc
.endm
.macro DONE
  jmp faultline_fuzz_engine + FLE_NEXT * FLE_HANDLER_BYTES
.endm

.section .rodata
.balign 64
.globl faultline_fuzz_engine
faultline_fuzz_engine:

HANDLER FLE_START
  jmp *FLE_HANDLER(%r14)
HANDLER FLE_NEXT
  addq $FLE_RECORD_BYTES, %r14
  jmp *FLE_HANDLER(%r14)
HANDLER FLE_END
  syscall

.macro READ index, register
HANDLER (FLE_READ + \index)
  movq FLE_ADDRESS(%r14), %rsi
  mov (%rsi), \register
  mov \register, FLE_LOADED(%r14)
  DONE
.endm
READ 0, %al
READ 1, %ax
READ 2, %eax
READ 3, %rax
HANDLER (FLE_READ + 4)
  movq FLE_ADDRESS(%r14), %rsi
  movdqu (%rsi), %xmm0
  movdqu %xmm0, FLE_LOADED(%r14)
  DONE

.macro WRITE index, register
HANDLER (FLE_WRITE + \index)
  movq FLE_ADDRESS(%r14), %rdi
  mov FLE_VALUE(%r14), \register
  mov \register, (%rdi)
  DONE
.endm
WRITE 0, %al
WRITE 1, %ax
WRITE 2, %eax
WRITE 3, %rax
HANDLER (FLE_WRITE + 4)
  movq FLE_ADDRESS(%r14), %rdi
  movdqu FLE_VALUE(%r14), %xmm0
  movdqu %xmm0, (%rdi)
  DONE

.macro MODIFY index, suffix
HANDLER (FLE_MODIFY + \index)
  movq FLE_ADDRESS(%r14), %rdi
  rol\suffix $8, (%rdi)
  DONE
.endm
MODIFY 0, b
MODIFY 1, w
MODIFY 2, l
MODIFY 3, q

.macro EXCHANGE index, register
HANDLER (FLE_XCHG + \index)
  movq FLE_ADDRESS(%r14), %rdi
  mov FLE_VALUE(%r14), \register
  xchg \register, (%rdi)
  mov \register, FLE_LOADED(%r14)
  DONE
.endm
EXCHANGE 0, %al
EXCHANGE 1, %ax
EXCHANGE 2, %eax
EXCHANGE 3, %rax

HANDLER FLE_COPY
  movq FLE_ADDRESS(%r14), %rsi
  movq FLE_TO(%r14), %rdi
  movq FLE_COUNT(%r14), %rcx
  rep movsb
  DONE
HANDLER FLE_FILL
  movq FLE_ADDRESS(%r14), %rdi
  movq FLE_COUNT(%r14), %rcx
  movb FLE_VALUE(%r14), %al
  rep stosb
  DONE

// IRETQ sets RFLAGS.TF and jumps at once: the trap comes behind the one instruction there. POPF
// and a jump would have it one instruction early. SDM vol. 3B, "Single-Step Exception Condition".
HANDLER FLE_FETCH
  leaq FLE_FRAME(%r14), %rsp
  movabsq $FLE_NOWHERE, %rax
  .irp register, rcx, rdx, rbx, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r15
  movq %rax, %\register
  .endr
  iretq

// INT3 loads other page tables (vmm/port/vcpu.hpp, set_page_table_steps), where this code is at the
// same place and a list of accesses in the page behind it.
HANDLER FLE_STEP
  int3
  leaq faultline_fuzz_engine + FLE_LIST(%rip), %r14
  jmp *FLE_HANDLER(%r14)

HANDLER FLE_HANDLERS
.globl faultline_fuzz_engine_end
faultline_fuzz_engine_end:
.section .note.GNU-stack, "", @progbits
