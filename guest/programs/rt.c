#include "guest/programs/rt.h"

#include <asm/sigcontext.h>
#include <asm/siginfo.h>
#include <asm/ucontext.h>

void restore_signal(void);
void probe_recover(void);

volatile struct fault last_fault;

static char output[16384];
static u64 output_used;

void* memcpy(void* to, const void* from, unsigned long bytes) {
  for (unsigned long i = 0; i < bytes; ++i) ((volatile char*)to)[i] = ((const char*)from)[i];
  return to;
}

void* memset(void* to, int value, unsigned long bytes) {
  for (unsigned long i = 0; i < bytes; ++i) ((volatile char*)to)[i] = (char)value;
  return to;
}

void flush(void) {
  if (output_used > 0) sys3(__NR_write, 1, output, output_used);
  output_used = 0;
}

static void put(char c) {
  if (output_used == sizeof output) flush();
  output[output_used++] = c;
}

void text(const char* s) {
  while (*s) put(*s++);
}

void hex(u64 value) {
  text("0x");
  int shift = 60;
  while (shift > 0 && (value >> shift) == 0) shift -= 4;
  for (; shift >= 0; shift -= 4) put("0123456789abcdef"[(value >> shift) & 15]);
}

void dec(s64 value) {
  char digits[24];
  int used = 0;
  u64 rest = value < 0 ? 0 - (u64)value : (u64)value;
  do digits[used++] = (char)('0' + rest % 10);
  while ((rest /= 10) != 0);
  if (value < 0) put('-');
  while (used > 0) put(digits[--used]);
}

void line(const char* name, s64 value) {
  text(name);
  put('=');
  dec(value);
  put('\n');
}

void leave(int status) {
  flush();
  for (;;) sys1(__NR_exit_group, status);
}

long must(long result, const char* what) {
  if (result >= 0 || result < -4095) return result;
  text(what);
  text(" failed: ");
  dec(result);
  put('\n');
  leave(99);
}

char* anonymous(u64 pages) {
  return (char*)MUST(sysmmap(0, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
}

char* fresh_place(void) {
  static u64 given;
  return (char*)(0x300000000000 + (given++ << 30));
}

int numbered_file(u64 pages) {
  static char page[PAGE];
  int fd = (int)MUST(sys2(__NR_memfd_create, "numbered", 0));
  for (u64 i = 0; i < pages; ++i) {
    memset(page, (int)('a' + i % 26), PAGE);
    MUST(sys4(__NR_pwrite64, fd, page, PAGE, i * PAGE));
  }
  return fd;
}

static void on_fault(int signal, struct siginfo* info, struct ucontext* context) {
  last_fault.happened = 1;
  last_fault.signal = signal;
  last_fault.code = info->si_code;
  last_fault.address = (u64)info->si_addr;
  last_fault.trapno = context->uc_mcontext.trapno;
  last_fault.error = context->uc_mcontext.err;
  last_fault.cr2 = context->uc_mcontext.cr2;
  last_fault.rip = context->uc_mcontext.rip;
  context->uc_mcontext.rip = (u64)&probe_recover;
}

void catch_faults(void) {
  struct sigaction action = {0};
  action.sa_handler = (__sighandler_t)(void*)on_fault;
  action.sa_flags = SA_SIGINFO | SA_RESTORER;
  action.sa_restorer = restore_signal;
  static const int caught[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP};
  for (u64 i = 0; i < sizeof caught / sizeof caught[0]; ++i)
    MUST(sys4(__NR_rt_sigaction, caught[i], &action, 0, sizeof(sigset_t)));
}

static void offset(const char* name, u64 address, const void* base) {
  text(name);
  if (address < (u64)base) {
    text("-");
    hex((u64)base - address);
  } else {
    hex(address - (u64)base);
  }
}

void report(const char* what, int faulted, const void* base) {
  text(what);
  if (!faulted) {
    text(": ok\n");
    return;
  }
  text(": signal ");
  dec(last_fault.signal);
  text(" code ");
  dec(last_fault.code);
  text(" trap ");
  dec((s64)last_fault.trapno);
  text(" error ");
  hex(last_fault.error);
  if (last_fault.trapno == 14) {
    offset(" at ", last_fault.address, base);
    offset(" cr2 ", last_fault.cr2, base);
  }
  text("\n");
  last_fault.happened = 0;
}

struct faults faults_now(void) {
  // struct rusage: two timevals, maxrss, ixrss, idrss, isrss, then minflt and majflt.
  static s64 usage[18];
  sys2(__NR_getrusage, 0, usage);
  return (struct faults){usage[8], usage[9]};
}

static void nothing(char* memory, u64 pages) {
  (void)memory;
  (void)pages;
}

void count(const char* what, void (*pattern)(char* memory, u64 pages), char* memory, u64 pages) {
  void (*volatile warm)(char*, u64) = nothing;
  faults_now();
  warm(memory, 0);
  pattern(memory, 0);
  struct faults before = faults_now();
  pattern(memory, pages);
  struct faults after = faults_now();
  text(what);
  text(": minor ");
  dec(after.minor - before.minor);
  text(" major ");
  dec(after.major - before.major);
  text("\n");
}
