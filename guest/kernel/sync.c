// Areas that the process's tables do not have yet: the first touch of each is a fault, the rest is
// not, and their contents are those of the one page behind them.
#include "kernel.h"

long program(void) {
  long failed = 0;
  char* first = vmalloc(3, PROT_READ | PROT_WRITE);
  failed += expect("not synchronised before the first touch: ", count(FL_COUNT_VMALLOC_FAULTS), 0);
  first[0] = 1;
  first[2 * PAGE] = 3;
  const long after_first = count(FL_COUNT_VMALLOC_FAULTS);
  failed += expect("the first touch takes a fault: ", after_first, 1);
  char* second = vmalloc(1, PROT_READ | PROT_WRITE);
  second[8] = 7;
  failed += expect("first[0] ", first[0], 1);
  failed += expect("first[8192] ", first[2 * PAGE], 3);
  failed += expect("second[8] ", second[8], 7);
  failed += expect("a fresh page is zero: ", first[PAGE], 0);
  print_number("vmalloc faults: ", count(FL_COUNT_VMALLOC_FAULTS));
  return failed;
}
