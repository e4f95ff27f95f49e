// Gets at the page tables that the host made, and spoils them: the host must notice. The first
// argument says how; the second, whether it is also told of by a fault.
#include "kernel.h"

static volatile u64* window;  // behind a page of vmalloc: a table for it, but no entry
static long show(u64 physical) {
  const u64 entry = physical | 0x63;  // P, W, A, D
  return host(FL_CALL_CORRUPT, (long)window, 1, (long)entry);
}

static u64 root(void) {
  u64 value;
  __asm__ volatile("mov %%cr3, %0" : "=r"(value));
  return value & 0x000ffffffffff000;
}

long program(void) {
  char* page = vmalloc(1, PROT_READ | PROT_WRITE);
  long* user = user_pages(2, PROT_READ | PROT_WRITE);
  page[0] = 1;
  if (put_user(1, user) != 0) return 98;
  window = (volatile u64*)(page + PAGE);
  if (show(root()) != 0) return 97;
  const long index = ((u64)user >> 39) & 511;
  switch (argument(0)) {
    case 0: return (window[index] & 1) != 1;           // looks only
    case 1: window[index] |= 1L << 51; break;          // a table outside memory
    case 2: window[index] = 0; break;                  // a table lost
    case 3: window[index + 1] = window[index]; break;  // one table twice
    case 4: window[511] = 0x1000; break;               // not present, not empty
    case 5: window[index] &= ~0x60L; break;            // A and D: as a CPU would, the other way round
    case 6: __asm__ volatile("mov %0, %%cr3" : : "r"(root() + PAGE)); break;  // tables of its own
  }
  put_user(2, user + PAGE / 8);
  return 0;
}
