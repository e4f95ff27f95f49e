// Reads and writes the registers of a device, whose page is traced meanwhile.
#include "kernel.h"

long program(void) {
  long failed = 0;
  volatile u32* device = (volatile u32*)host(FL_CALL_DEVICE, 0, 0, 0);
  failed += expect("identification ", device[0], FL_DEVICE_ID);  // not traced yet
  failed += expect("trace ", host(FL_CALL_TRACE, (long)device, 0, 0), 0);
  failed += expect("identification ", device[0], FL_DEVICE_ID);
  device[1] = 0x1234;
  device[1] = 0x5678;
  failed += expect("scratch ", device[1], 0x5678);
  failed += expect("first ", device[2], 1);
  failed += expect("second ", device[2], 2);
  failed += expect("inverse ", device[3], ~0x5678u);
  failed += expect("nothing there ", *(volatile unsigned char*)((long)device + 0x100), 0xff);
  failed += expect("traced ", count(FL_COUNT_TRACED), 8);
  return failed;
}
