// Unmasked floating-point exceptions: SIGFPE by #XM and by #MF, with the code that says which.
#include "guest/programs/rt.h"

int probe_sse_divide(void);
int probe_x87_divide(void);
__asm__(
    "probe_sse_divide:\n"
    "  push $0x1d80\n"  // all masked but division by zero
    "  ldmxcsr (%rsp)\n"
    "  pop %rax\n"
    "  mov $1, %eax\n"
    "  cvtsi2sd %eax, %xmm0\n"
    "  xorpd %xmm1, %xmm1\n"
    "  divsd %xmm1, %xmm0\n"
    "  xor %eax, %eax\n"
    "  ret\n"
    "probe_x87_divide:\n"
    "  push $0x37b\n"
    "  fninit\n"
    "  fldcw (%rsp)\n"
    "  pop %rax\n"
    "  fld1\n"
    "  fldz\n"
    "  fdivrp\n"
    "  fwait\n"
    "  xor %eax, %eax\n"
    "  ret\n");

int run(int argc, char** argv) {
  (void)argc;
  (void)argv;
  catch_faults();
  report("SSE division by zero", probe_sse_divide(), 0);
  report("x87 division by zero", probe_x87_divide(), 0);
  return 0;
}
