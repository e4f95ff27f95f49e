// Prints its arguments, its environment and what the auxiliary vector says about the machine.
#include "guest/programs/rt.h"

#include <linux/auxvec.h>

int run(int argc, char** argv) {
  line("argc", argc);
  for (int i = 0; i < argc; ++i) {
    text(i == 0 ? "arg0" : argv[i]);
    text("\n");
  }
  char** env = argv + argc + 1;
  for (; *env; ++env) {
    text(*env);
    text("\n");
  }
  struct {
    u64 type, value;
  }* entry = (void*)(env + 1);
  for (; entry->type != AT_NULL; ++entry) {
    if (entry->type == AT_PAGESZ) line("AT_PAGESZ", (s64)entry->value);
    if (entry->type == AT_PHENT) line("AT_PHENT", (s64)entry->value);
    if (entry->type == AT_PHNUM) line("AT_PHNUM", (s64)entry->value);
    if (entry->type == AT_SECURE) line("AT_SECURE", (s64)entry->value);
    if (entry->type == AT_RANDOM) line("AT_RANDOM given", entry->value != 0);
    if (entry->type == AT_EXECFN) line("AT_EXECFN given", entry->value != 0);
  }
  line("stack aligned", ((u64)argv & 15) == 8);
  return 0;
}
