/* The engine's list of accesses, as engine.S and engine.cpp both know it. A record is
 * FLE_RECORD_BYTES; R14 points to the one that runs. Each handler starts at its number times
 * FLE_HANDLER_BYTES behind the engine's start. */
#ifndef FAULTLINE_FUZZ_ENGINE_LAYOUT_H
#define FAULTLINE_FUZZ_ENGINE_LAYOUT_H

#define FLE_LIST 4096 /* bytes behind the engine's start */
#define FLE_RECORD_BYTES 64
#define FLE_HANDLER 0 /* where the handler is */
#define FLE_ADDRESS 8 /* of the access; copy: from */
#define FLE_TO 16     /* copy: to */
#define FLE_COUNT 24  /* copy, fill */
#define FLE_VALUE 32  /* 16 bytes to store */
#define FLE_LOADED 48 /* 16 bytes that were loaded */
/* In place of the last three: what IRETQ of a fetch pops. */
#define FLE_FRAME 24

#define FLE_HANDLER_BYTES 64
#define FLE_START 0 /* runs the record that R14 points to */
#define FLE_NEXT 1  /* goes on behind it */
#define FLE_END 2   /* no more records: SYSCALL */
#define FLE_READ 3  /* of 1 byte; then 2, 4, 8, 16 */
#define FLE_WRITE 8
#define FLE_MODIFY 13 /* 1, 2, 4, 8 */
#define FLE_XCHG 17   /* 1, 2, 4, 8 */
#define FLE_COPY 21
#define FLE_FILL 22
#define FLE_FETCH 23
#define FLE_STEP 24 /* no more records here: on to the list of the next address space */
#define FLE_HANDLERS 25

/* In every general register but R14 when foreign code runs: no address at all. */
#define FLE_NOWHERE 0x0800000000000000

#endif
