// What a debugger is tried on: a function called three times, a variable that it writes, memory that
// nobody touches, a flag that PUSHF would show, and with an argument a null pointer at the end.
#include "guest/programs/rt.h"

__attribute__((used)) volatile u64 watched = 7;
// On pages of their own; the program never touches them.
__attribute__((used, aligned(4096))) char untouched_zeros[2 * PAGE];
__attribute__((used, aligned(4096), section(".data"))) char untouched_file[2 * PAGE] = "straight from the file";

__attribute__((noinline, used)) u64 add_to(u64 sum, u64 more) {
  watched = sum + more;
  return sum + more;
}

__attribute__((noinline, used)) u64 flags_now(void) {
  u64 flags;
  __asm__ volatile("pushfq\n\tpop %0" : "=r"(flags));
  return flags;
}

__attribute__((noinline, used)) void crash(volatile u64* where) { *where = 1; }

int run(int argc, char** argv) {
  (void)argv;
  u64 sum = 0;
  for (u64 i = 1; i <= 3; ++i) sum = add_to(sum, i);
  line("sum", (s64)sum);
  line("trap flag", (flags_now() >> 8) & 1);
  flush();
  if (argc > 1) crash((volatile u64*)0);
  return (int)sum;
}
