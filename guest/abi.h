/* What guest and host agree on: ports, selectors, and the shape of the monitor area. The only
 * header that both include; plain C preprocessor, so that assembly can use it as well.
 *
 * Every exception and every system call of user code ends in an OUT of one byte to a port of its
 * own. Which port tells the host what happened, RAX holds CR2, and the rest is on the stack that
 * the CPU switched to (SDM vol. 3A, "64-Bit Mode Stack Frame").
 */
#ifndef FAULTLINE_GUEST_ABI_H
#define FAULTLINE_GUEST_ABI_H

/* Exception vector n exits through this port + n. Port 0x7e is avoided: KVM has a quirk there. */
#define FL_PORT_EXCEPTION 0xc0
#define FL_PORT_SYSCALL 0xe0
#define FL_VECTORS 32

/* Vectors that push an error code: #DF #TS #NP #SS #GP #PF #AC #CP #VC #SX. SDM vol. 3A,
 * "Protected-Mode Exceptions and Interrupts"; AMD APM vol. 2, "Exceptions". */
#define FL_VECTORS_WITH_ERROR_CODE 0x60227d00

/* Offsets in the page of entry stubs. */
#define FL_STUB_BYTES 32
#define FL_STUB_SYSCALL 0x400 /* LSTAR */
#define FL_STUB_RESUME 0x440  /* the way back to user code alone */
#define FL_STUB_END 0x460

/* Selectors, the same numbers that Linux uses, so that signal frames look right. */
#define FL_KERNEL_CS 0x10
#define FL_KERNEL_SS 0x18
#define FL_USER_SS 0x2b
#define FL_USER_CS 0x33
#define FL_TSS 0x40

/* The conformance runner (guest/conform, vmm/conform): R14 holds the record of the case that runs,
 * R15 where to go on after an exception. Offsets in a record; a batch ends with an OUT. */
#define FL_CONFORM_VECTOR 0
#define FL_CONFORM_ERROR 8
#define FL_CONFORM_RIP 16
#define FL_CONFORM_CS 24
#define FL_CONFORM_RFLAGS 32
#define FL_CONFORM_RSP 40
#define FL_CONFORM_RAX 48
#define FL_CONFORM_CR2 56
#define FL_CONFORM_RCX 64
#define FL_CONFORM_DONE 72
#define FL_CONFORM_ENTRIES 80 /* 10 paging-structure entries */
#define FL_CONFORM_DATA 160   /* 4 words of the operand's memory */
#define FL_CONFORM_RECORD_BYTES 192
#define FL_CONFORM_HANDLER_BYTES 32
#define FL_CONFORM_PORT_DONE 0xd0

#endif
