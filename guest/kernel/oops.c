// Dies of what its first argument says; the second is the level of an entry to corrupt.
#include "kernel.h"

static volatile long deep = 1L << 40;
static long recurse(long depth) {
  volatile char room[256];
  room[0] = (char)depth;
  return depth == deep ? 0 : recurse(depth + 1) + room[0];
}
static __attribute__((noinline)) long read_at(const volatile long* p) { return *p; }
static __attribute__((noinline)) void write_at(volatile long* p) { *p = 1; }
static __attribute__((noinline)) void call_at(void (*p)(void)) { p(); }

// The page is in use before its tables are spoilt.
static long corrupted(char* page, long level) {
  page[0] = 0;
  if (host(FL_CALL_CORRUPT, (long)page, level, 1L << 51) != 0) return 98;
  return read_at((long*)page);
}
static long corrupted_user(long level) {
  long* page = user_pages(1, PROT_READ | PROT_WRITE);
  long value;
  if (put_user(1, page) != 0 || host(FL_CALL_CORRUPT, (long)page, level, 1L << 51) != 0) return 98;
  return get_user(&value, page);
}

long program(void) {
  static long data;
  switch (argument(0)) {
    case 0: return read_at((long*)0x10);
    case 1: write_at(0); break;
    case 2: call_at(0); break;
    case 3: return recurse(1);
    case 4: {
      long* page = user_pages(1, PROT_READ | PROT_WRITE);
      put_user(1, page);
      return read_at(page);
    }
    case 5: {
      char* page = user_pages(1, PROT_READ | PROT_WRITE | PROT_EXEC);
      put_user(0xc3, (long*)page);
      call_at((void (*)(void))page);
      break;
    }
    case 6: write_at((long*)read_at); break;
    case 7: call_at((void (*)(void)) & data); break;
    case 8: return read_at((long*)0xffffea0000000000);
    case 9: return corrupted_user(argument(1));
    case 10: return corrupted(vmalloc(1, PROT_READ | PROT_WRITE), argument(1));
    case 11: task.mmap_locked = 1; return read_user_unchecked(user_pages(1, PROT_READ));
    case 12: task.pagefault_disabled = 1; return read_user_unchecked(user_pages(1, PROT_READ));
    case 13: return read_at((long*)0x8000000000000000);
    case 14: return read_user_unchecked((long*)0x7000);
    case 15: return read_user_unchecked(user_pages(1, PROT_READ)) + 1;  // no oops: faulted in
  }
  return 99;
}
