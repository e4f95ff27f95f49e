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

#endif
