// A fault that is out of date when it is handled: rights were added meanwhile, by another CPU as it
// were. Then the same without that, which is an oops.
#include "kernel.h"

static const unsigned char kReturn = 0xc3;

long program(void) {
  long failed = 0;
  char* page = vmalloc(1, PROT_READ);
  failed += expect("readable: ", page[0], 0);
  host(FL_CALL_UPGRADE, (long)page, PROT_READ | PROT_WRITE, 0);
  page[0] = 5;
  failed += expect("written: ", page[0], 5);
  failed += expect("stale read-only: ", count(FL_COUNT_SPURIOUS_FAULTS), 1);

  char* code = vmalloc(1, PROT_READ | PROT_WRITE);
  code[0] = (char)kReturn;
  host(FL_CALL_UPGRADE, (long)code, PROT_READ | PROT_EXEC, 0);
  ((void (*)(void))code)();
  failed += expect("stale NX: ", count(FL_COUNT_SPURIOUS_FAULTS), 2);
  if (failed != 0) return failed;
  print("twice spurious\n");
  code[0] = 0;  // no longer writable: an oops
  return 99;
}
