// Anonymous memory: reads see zero, a write after a read keeps the rest zero, pages do not alias.
#include "guest/programs/rt.h"

enum { kPages = 64 };

static s64 nonzero(const volatile char* memory, u64 bytes) {
  s64 found = 0;
  for (u64 i = 0; i < bytes; ++i) found += memory[i] != 0;
  return found;
}

int run(int argc, char** argv) {
  (void)argc;
  (void)argv;
  char* memory = anonymous(kPages);
  line("nonzero bytes at first", nonzero(memory, kPages * PAGE));
  for (u64 i = 0; i < kPages; ++i) memory[i * PAGE + i] = (char)(i + 1);
  line("nonzero bytes after writes", nonzero(memory, kPages * PAGE));
  s64 wrong = 0;
  for (u64 i = 0; i < kPages; ++i) wrong += memory[i * PAGE + i] != (char)(i + 1);
  line("wrong", wrong);
  char* shared = (char*)MUST(sysmmap(0, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  line("shared nonzero at first", nonzero(shared, 4 * PAGE));
  shared[PAGE] = 7;
  line("shared byte", shared[PAGE]);
  return 0;
}
