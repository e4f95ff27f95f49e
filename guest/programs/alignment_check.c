// An unaligned access with RFLAGS.AC set: #AC, SIGBUS with BUS_ADRALN.
#include "guest/programs/rt.h"

int probe_unaligned(const void* address);
__asm__(
    "probe_unaligned:\n"
    "  pushfq\n"
    "  orl $0x40000, (%rsp)\n"
    "  popfq\n"
    "  movl 1(%rdi), %eax\n"
    "  pushfq\n"
    "  andl $~0x40000, (%rsp)\n"
    "  popfq\n"
    "  xor %eax, %eax\n"
    "  ret\n");

int run(int argc, char** argv) {
  (void)argc;
  (void)argv;
  static u64 aligned[2];
  catch_faults();
  report("unaligned access", probe_unaligned(aligned), aligned);
  report("aligned access", probe_unaligned((char*)aligned + 3), aligned);
  return 0;
}
