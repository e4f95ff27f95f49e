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
#define FL_STUB_TLB 0x460     /* the way back when something is to be flushed or loaded first */
#define FL_STUB_STEP 0x4c0    /* the gate of INT3: the next page tables, or on to its stub */
#define FL_STUB_END 0x500

/* In a vCPU's page: where the next value for CR3 is (an address), and the values, of which 0 is the end. */
#define FL_STEP_NEXT 0xa00
#define FL_STEP_VALUES 0xa08
#define FL_MAX_STEPS 32

/* At most so many descriptors of INVPCID are on the stack of a stub; beyond is a value for CR3. */
#define FL_MAX_INVALIDATIONS 33
/* A bit of that value which the stub takes out: every translation is dropped, global ones too. */
#define FL_CR3_AFRESH 62

/* Selectors, the same numbers that Linux uses, so that signal frames look right. */
#define FL_KERNEL_CS 0x10
#define FL_KERNEL_SS 0x18
#define FL_USER_SS 0x2b
#define FL_USER_CS 0x33
#define FL_TSS 0x40

/* Kernel programs (guest/kernel, vmm/kernel) call the host with an OUT of AL to this port: the call's
 * number in RAX, arguments in RDI, RSI, RDX; the result in RAX, a negated errno below 0. */
#define FL_PORT_KERNEL 0xb8
#define FL_CALL_EXIT 0      /* status: the end of the run */
#define FL_CALL_PRINT 1     /* address, bytes */
#define FL_CALL_TASK 2      /* address of a struct fl_task, which the host reads at each fault */
#define FL_CALL_MMAP 3      /* address or 0, bytes, PROT_*: user memory; the address */
#define FL_CALL_MUNMAP 4    /* address, bytes */
#define FL_CALL_MPROTECT 5  /* address, bytes, PROT_* */
#define FL_CALL_VMALLOC 6   /* pages, PROT_*: mapped in the reference tables alone; the address */
#define FL_CALL_VPROTECT 7  /* a page of the kernel half, PROT_* */
#define FL_CALL_UPGRADE 8   /* the same, when the next fault was taken and before it is handled */
#define FL_CALL_CORRUPT 9   /* address, level, bits: sets bits of the entry of that level */
#define FL_CALL_DEVICE 10   /* the address at which the device's page is mapped */
#define FL_CALL_TRACE 11    /* a page: its accesses are traced (kmmio) */
#define FL_CALL_TRACK 12    /* a page: reads of bytes that nobody wrote are reported (kmemcheck) */
#define FL_CALL_PROBE 13    /* instruction, where to go on after a fault of it (kprobes) */
#define FL_CALL_COUNT 14    /* FL_COUNT_*: the number */
#define FL_CALL_USER 15     /* RIP, RSP: runs user code until it is stopped; signal << 8 | code */
#define FL_CALL_STACK 16    /* the lowest address of the stack; the page below it is the guard */
#define FL_CALL_ARGUMENT 17 /* index: a number that the program was started with, or 0 */

#define FL_DEVICE_ID 0x464c4456 /* in the device's first register */

#define FL_COUNT_PAGE_FAULTS 0 /* perf's events */
#define FL_COUNT_MINOR_FAULTS 1
#define FL_COUNT_MAJOR_FAULTS 2
#define FL_COUNT_FROM_USER 3 /* context tracking */
#define FL_COUNT_FROM_KERNEL 4
#define FL_COUNT_VMALLOC_FAULTS 5
#define FL_COUNT_SPURIOUS_FAULTS 6
#define FL_COUNT_FIXUPS 7
#define FL_COUNT_TRACED 8        /* accesses */
#define FL_COUNT_UNINITIALISED 9 /* reads */
#define FL_COUNT_SIGNAL 10       /* the last one raised for a system call; 0: none */

/* struct fl_task: four 32-bit words. */
#define FL_TASK_PAGEFAULT_DISABLED 0
#define FL_TASK_PREEMPT_COUNT 4
#define FL_TASK_MMAP_LOCKED 8
#define FL_TASK_SIGNAL_ON_FIXUP 12
#define FL_TASK_BYTES 16

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
