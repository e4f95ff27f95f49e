// Reads what nobody wrote, on a page that is tracked.
#include "kernel.h"

static __attribute__((noinline)) long read_at(const volatile long* p) { return *p; }

long program(void) {
  long failed = 0;
  char* page = vmalloc(1, PROT_READ | PROT_WRITE);
  page[0] = 0;
  failed += expect("track ", host(FL_CALL_TRACK, (long)page, 0, 0), 0);
  *(volatile u32*)page = 1;
  failed += expect("written before ", *(volatile u32*)page, 1);
  failed += expect("none yet ", count(FL_COUNT_UNINITIALISED), 0);
  read_at((long*)page);
  failed += expect("half of it never written ", count(FL_COUNT_UNINITIALISED), 1);
  *(volatile u64*)(page + 64) = 5;
  failed += expect("a value ", read_at((long*)(page + 64)), 5);
  ++*(volatile u32*)(page + 128);
  failed += expect("reads before it writes ", count(FL_COUNT_UNINITIALISED), 2);
  return failed;
}
