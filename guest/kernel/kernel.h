// What kernel programs have: the host's calls, access to user memory, a few words of output.
#ifndef FAULTLINE_KERNEL_H
#define FAULTLINE_KERNEL_H

#include "guest/abi.h"

#define PROT_NONE 0
#define PROT_READ 1
#define PROT_WRITE 2
#define PROT_EXEC 4
#define PAGE 4096L
#define EFAULT 14

typedef unsigned int u32;
typedef unsigned long u64;

// The host reads it at each fault.
struct fl_task {
  u32 pagefault_disabled, preempt_count, mmap_locked, signal_on_fixup;
};
extern volatile struct fl_task task;

long program(void);  // what each of them defines; the exit status
long host(long number, long a, long b, long c);

// guest/kernel/uaccess.S
int get_user(long* value, const long* from);
int put_user(long value, long* to);
long copy_user(void* to, const void* from, long bytes);
long read_user_unchecked(const long* from);
static inline long copy_from_user(void* to, const void* from, long bytes) { return copy_user(to, from, bytes); }
static inline long copy_to_user(void* to, const void* from, long bytes) { return copy_user(to, from, bytes); }

static inline void* user_pages(long pages, long prot) { return (void*)host(FL_CALL_MMAP, 0, pages * PAGE, prot); }
static inline char* vmalloc(long pages, long prot) { return (char*)host(FL_CALL_VMALLOC, pages, prot, 0); }
static inline long count(long what) { return host(FL_CALL_COUNT, what, 0, 0); }
static inline long argument(long index) { return host(FL_CALL_ARGUMENT, index, 0, 0); }

static inline void print(const char* text) {
  long n = 0;
  while (text[n] != 0) ++n;
  host(FL_CALL_PRINT, (long)text, n, 0);
}
static inline void print_number(const char* what, long value) {
  char text[24];
  int at = 24;
  const int negative = value < 0;
  u64 rest = negative ? -(u64)value : (u64)value;
  text[--at] = '\n';
  do text[--at] = (char)('0' + rest % 10);
  while ((rest /= 10) != 0);
  if (negative) text[--at] = '-';
  print(what);
  host(FL_CALL_PRINT, (long)(text + at), 24 - at, 0);
}
static inline long expect(const char* what, long value, long wanted) {
  if (value == wanted) return 0;
  print_number(what, value);
  return 1;
}

#endif
