// Calls of the host with whatever comes to hand. The first argument is the seed, the second how many.
#include "kernel.h"

static u64 state;
static u64 random(void) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state;
}

static char* pages;  // of vmalloc
static long* user;
static long data[512];

static u64 any_address(void) {
  switch (random() % 14) {
    case 0: return (u64)pages;
    case 1: return (u64)pages + random() % 8 * PAGE + random() % 3;
    case 2: return (u64)user + random() % 8 * PAGE;
    case 3: return (u64)data + random() % sizeof data;
    case 4: return (u64)host(FL_CALL_STACK, 0, 0, 0) + random() % 6 * PAGE - PAGE;
    case 5: return (u64)host(FL_CALL_DEVICE, 0, 0, 0);
    case 6: return 0xffff800000000000 + random() % 128 * PAGE;  // the monitor area
    case 7: return 0x00007fffffffe000 + random() % 4 * PAGE;    // the end of user space
    case 8: return (u64)any_address;
    case 9: return 0;
    case 10: return ~0UL - random() % (2 * PAGE);
    case 11: return 0xffffc90000000000 + (random() & 0x3ffff000);
    case 12: return random() % 0x800000000000 & ~(PAGE - 1);
    default: return random();
  }
}

static u64 any_number(void) {
  switch (random() % 7) {
    case 0: return random() % 8;
    case 1: return random() % 64 * PAGE;
    case 2: return 1UL << random() % 64;
    case 3: return ~0UL << random() % 64;
    case 4: return any_address();
    case 5: return 1UL << 51;
    default: return random();
  }
}

long program(void) {
  state = (u64)argument(0) * 0x9e3779b97f4a7c15 + 1;
  pages = vmalloc(8, PROT_READ | PROT_WRITE);
  user = user_pages(8, PROT_READ | PROT_WRITE);
  for (long left = argument(1); left > 0; --left) {
    const long number = (long)(random() % (FL_CALL_STACK + 4));
    if (number == FL_CALL_EXIT || number == FL_CALL_PRINT || (number == FL_CALL_TRACE && random() % 8 != 0)) continue;
    host(number, (long)any_address(), (long)any_number(), (long)any_number());
    long value;
    switch (random() % 4) {
      case 0: put_user((long)random(), (long*)any_address()); break;
      case 1: get_user(&value, (long*)any_address()); break;
      case 2: pages[random() % 8 * PAGE] = 1; break;
      default: break;
    }
  }
  return 0;
}
