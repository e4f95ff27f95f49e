// Accesses that cross a page boundary, both pages absent, one present, and copies over many pages.
#include "guest/programs/rt.h"

int run(int argc, char** argv) {
  (void)argc;
  (void)argv;
  char* memory = anonymous(16);
  *(volatile u64*)(memory + PAGE - 3) = 0x0807060504030201;
  for (u64 i = 0; i < 8; ++i) line("byte", memory[PAGE - 3 + i]);
  line("absent half reads", (s64) * (volatile u64*)(memory + 3 * PAGE - 4));
  __atomic_fetch_add((u64*)(memory + 4 * PAGE), 5, __ATOMIC_SEQ_CST);
  __atomic_fetch_add((u64*)(memory + 4 * PAGE), 6, __ATOMIC_SEQ_CST);
  line("atomic", *(volatile s64*)(memory + 4 * PAGE));
  probe_fill(memory + 5 * PAGE + 100, 3 * PAGE);
  probe_copy(memory + 10 * PAGE + 7, memory + 5 * PAGE + 90, 3 * PAGE);
  s64 sum = 0;
  for (u64 i = 0; i < 16 * PAGE; ++i) sum += ((volatile u8*)memory)[i];
  line("sum", sum);
  return 0;
}
