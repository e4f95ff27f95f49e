/* The stub's own pages as its code (stub.S) and the VMM see them. Plain preprocessor, so that
 * assembly can use it. Offsets are from the start of the region, which both map.
 *
 *   +0       code            r-x   both threads of the stub run here
 *   +0x1000  commands        r--   written by the VMM alone: what the helper thread is to do
 *   +0x5000  data            rw-   the state word and what the handler saves
 *   +0x6000  signal stack    rw-   where the kernel puts the registers of the guest
 */
#ifndef FAULTLINE_VMM_HOSTED_STUB_LAYOUT_H
#define FAULTLINE_VMM_HOSTED_STUB_LAYOUT_H

#define FLH_CODE 0x0
#define FLH_COMMANDS 0x1000
#define FLH_DATA 0x5000
#define FLH_STACK 0x6000
#define FLH_REGION_BYTES 0x12000

/* Commands: a header, then calls of 64 bytes: number, six arguments, nothing. */
#define FLH_COMMAND_COUNT 0
#define FLH_COMMAND_RESUME 4
#define FLH_FIRST_CALL 64
#define FLH_CALL_BYTES 64
#define FLH_MAX_CALLS 255

/* Data. */
#define FLH_STATE 0 /* a futex word: the VMM waits for a stop */
#define FLH_TID 4
#define FLH_ERROR 8
#define FLH_SCRATCH 12
#define FLH_FS_BASE 16
#define FLH_GS_BASE 24
#define FLH_FRAME 32
#define FLH_FULL_MASK 40
#define FLH_GO 72            /* a futex word: the guest thread waits for 1 */
#define FLH_STACK_T 48       /* struct sigaltstack, 24 bytes */
#define FLH_GUEST_FILTER 80  /* struct sock_fprog, 16 bytes */
#define FLH_HELPER_FILTER 96 /* the same */
#define FLH_FILTERS 128      /* the instructions of both */
#define FLH_FILTERS_BYTES 512

#define FLH_STATE_RUNNING 0
#define FLH_STATE_STOPPED 1

/* Descriptors of the stub. */
#define FLH_RAM_FD 0
#define FLH_COMMAND_FD 1
#define FLH_ACK_FD 2

/* Exit statuses of the stub. */
#define FLH_EXIT_PARENT_GONE 0
#define FLH_EXIT_SET_UP 1
#define FLH_EXIT_CALL_FAILED 2

#endif
