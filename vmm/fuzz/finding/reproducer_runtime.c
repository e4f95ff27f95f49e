// How it works: this process gives the orders, each process of the program is a child of it that
// makes one step when told to, and says what came of it. A signal ends the access, not the process.
// Where the program maps at the very top of the address space, the kernel has to place the stack
// elsewhere: leave address-space randomisation on.
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#define PAGE 4096ul
#define FILE_BYTES (8 * PAGE + 0x345)
#define PROCESSES 4

enum { CALL, ACCESS, SIGNAL, LEFT_OUT };
struct result {
  int kind;
  long value;  // of a call
  int signal, code;
  unsigned long address, error;
  unsigned char bytes[64];
  unsigned count;
};
enum { MAKE_STEP, FORK, EXIT };
struct order {
  int what, step, child;
};

static struct result result;
static sigjmp_buf out;
static volatile unsigned long fetching;
static int files[3] = {-1, -1, -1}, sink, patterns;  // files: anonymous memory has none
static int orders[PROCESSES][2], results[2];

// What every program begins with: two files of bytes of four kinds.
static unsigned char pattern_byte(unsigned value, unsigned i) {
  static const unsigned char bytes[4] = {0xf5, 0xf8, 0xf9, 0xfc};
  if (value < 4) return bytes[value];
  uint32_t x = value * 0x9e3779b1u + i * 0x85ebca6bu;
  x ^= x >> 15;
  x *= 0x2c1b3c6du;
  x ^= x >> 13;
  return bytes[x >> 7 & 3];
}

static void die(const char* what) {
  perror(what);
  exit(2);
}

static void put(int fd, const void* bytes, size_t count) {
  if (write(fd, bytes, count) != (ssize_t)count) die("write");
}

static void make_files(void) {
  char name[] = "./faultline-reproducer-XXXXXX";
  files[1] = mkstemp(name);
  if (files[1] < 0 || unlink(name) != 0) die("a file in this folder");
  files[2] = (int)syscall(SYS_memfd_create, "reproducer", 0);
  sink = (int)syscall(SYS_memfd_create, "sink", 0);
  patterns = (int)syscall(SYS_memfd_create, "patterns", 0);
  if (files[2] < 0 || sink < 0 || patterns < 0) die("memfd_create");
  for (unsigned file = 1; file <= 2; ++file) {
    for (unsigned at = 0; at < FILE_BYTES; at += PAGE) {
      unsigned char page[PAGE];
      for (unsigned i = 0; i < PAGE; ++i) page[i] = pattern_byte(64 + 31 * file + at / PAGE, i & 15);
      put(files[file], page, FILE_BYTES - at < PAGE ? FILE_BYTES - at : PAGE);
    }
  }
  for (unsigned value = 0; value < 256; ++value) {
    unsigned char bytes[64];
    for (unsigned i = 0; i < 64; ++i) bytes[i] = pattern_byte(value, i & 15);
    put(patterns, bytes, sizeof bytes);
  }
}

// ---- What steps are made of ---------------------------------------------------------------------

static inline void called(long value) {
  result.kind = CALL;
  result.value = value == -1 ? -errno : value;
}
static inline void left_out(void) { result.kind = LEFT_OUT; }
static inline unsigned char* pattern(unsigned value) {
  static unsigned char bytes[16];
  for (unsigned i = 0; i < 16; ++i) bytes[i] = pattern_byte(value, i);
  return bytes;
}
static inline void load(unsigned width, unsigned long at) {
  unsigned char* to = result.bytes;
  unsigned long value = 0;
  switch (width) {
    case 1: __asm__ volatile("movb (%1), %b0" : "=q"(value) : "r"(at) : "memory"); break;
    case 2: __asm__ volatile("movw (%1), %w0" : "=r"(value) : "r"(at) : "memory"); break;
    case 4: __asm__ volatile("movl (%1), %k0" : "=r"(value) : "r"(at) : "memory"); break;
    case 8: __asm__ volatile("movq (%1), %0" : "=r"(value) : "r"(at) : "memory"); break;
    default: __asm__ volatile("movdqu (%0), %%xmm0\n\tmovdqu %%xmm0, (%1)" ::"r"(at), "r"(to) : "xmm0", "memory");
  }
  if (width <= 8) memcpy(to, &value, width);
  result.kind = ACCESS;
  result.count = width;
}
static inline void store(unsigned width, unsigned long at, unsigned number) {
  const unsigned char* from = pattern(number);
  unsigned long value;
  memcpy(&value, from, sizeof value);
  switch (width) {
    case 1: __asm__ volatile("movb %b0, (%1)" ::"q"(value), "r"(at) : "memory"); break;
    case 2: __asm__ volatile("movw %w0, (%1)" ::"r"(value), "r"(at) : "memory"); break;
    case 4: __asm__ volatile("movl %k0, (%1)" ::"r"(value), "r"(at) : "memory"); break;
    case 8: __asm__ volatile("movq %0, (%1)" ::"r"(value), "r"(at) : "memory"); break;
    default: __asm__ volatile("movdqu (%0), %%xmm0\n\tmovdqu %%xmm0, (%1)" ::"r"(from), "r"(at) : "xmm0", "memory");
  }
  result.kind = ACCESS;
}
static inline void exchange(unsigned width, unsigned long at, unsigned number) {
  unsigned long value;
  memcpy(&value, pattern(number), sizeof value);
  switch (width) {
    case 1: __asm__ volatile("xchgb %b0, (%1)" : "+q"(value) : "r"(at) : "memory"); break;
    case 2: __asm__ volatile("xchgw %w0, (%1)" : "+r"(value) : "r"(at) : "memory"); break;
    case 4: __asm__ volatile("xchgl %k0, (%1)" : "+r"(value) : "r"(at) : "memory"); break;
    default: __asm__ volatile("xchgq %0, (%1)" : "+r"(value) : "r"(at) : "memory");
  }
  memcpy(result.bytes, &value, width);
  result.kind = ACCESS;
  result.count = width;
}
static inline void modify(unsigned width, unsigned long at) {
  switch (width) {
    case 1: __asm__ volatile("rolb $8, (%0)" ::"r"(at) : "memory", "cc"); break;
    case 2: __asm__ volatile("rolw $8, (%0)" ::"r"(at) : "memory", "cc"); break;
    case 4: __asm__ volatile("roll $8, (%0)" ::"r"(at) : "memory", "cc"); break;
    default: __asm__ volatile("rolq $8, (%0)" ::"r"(at) : "memory", "cc");
  }
  result.kind = ACCESS;
}
static inline void copy(unsigned long count, unsigned long from, unsigned long to) {
  __asm__ volatile("rep movsb" : "+S"(from), "+D"(to), "+c"(count)::"memory");
  result.kind = ACCESS;
}
static inline void fill(unsigned long count, unsigned long at, unsigned number) {
  __asm__ volatile("rep stosb" : "+D"(at), "+c"(count) : "a"(pattern(number)[0]) : "memory");
  result.kind = ACCESS;
}
// With the trap flag: a first trap after the call, before the instruction there; a second one after it.
static inline void fetch(unsigned long at) {
  result.kind = ACCESS;
  fetching = at;
  __asm__ volatile(
      "sub $256, %%rsp\n\tpushfq\n\torq $0x100, (%%rsp)\n\tpopfq\n\tcall *%0\n\t"
      "pushfq\n\tandq $~0x100, (%%rsp)\n\tpopfq\n\tadd $256, %%rsp" ::"r"(at)
      : "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "memory", "cc");
}
static inline void resident(unsigned long at, unsigned long bytes) {
  called(syscall(SYS_mincore, at, bytes, result.bytes));
  const unsigned long pages = (bytes + PAGE - 1) / PAGE;
  if (result.value == 0) result.count = pages < 16 ? (unsigned)pages : 16;
  for (unsigned i = 0; i < result.count; ++i) result.bytes[i] &= 1;
}

static void on_signal(int number, siginfo_t* info, void* context) {
  greg_t* r = ((ucontext_t*)context)->uc_mcontext.gregs;
  if (number == SIGTRAP && fetching != 0 && (unsigned long)r[REG_RIP] == fetching) {
    fetching = 0;
    r[REG_RAX] = (greg_t)(1ul << 63);  // not canonical: ADD [RAX], AL raises #GP
    r[REG_RDI] = r[REG_RSI] = r[REG_RDX] = 0;
    return;
  }
  if (number != SIGTRAP) {
    result.kind = SIGNAL;
    result.signal = number;
    result.code = info->si_code;
    result.address = (unsigned long)info->si_addr;
    result.error = (unsigned long)r[REG_ERR];
  }
  siglongjmp(out, 1);
}

// ---- The program itself is at the end of this file ----------------------------------------------

static int step_count(void);
static const char* step_text(int step);
static int step_kind(int step);  // MAKE_STEP, FORK, EXIT, or a switch: SWITCH + number
#define SWITCH 16
static void make_step(int step);

static void serve(int number) {
  volatile int me = number;
  struct order o;
  while (read(orders[me][0], &o, sizeof o) == sizeof o) {
    memset(&result, 0, sizeof result);
    fetching = 0;
    if (o.what == FORK) {
      const pid_t pid = fork();
      if (pid == 0) {
        me = o.child;
        continue;
      }
      called(pid < 0 ? -1 : o.child);
    } else if (o.what == MAKE_STEP && sigsetjmp(out, 1) == 0) {
      make_step(o.step);
    }
    put(results[1], &result, sizeof result);
    if (o.what == EXIT) break;
  }
  _exit(0);
}

static struct result give(int process, struct order o) {
  struct result r;
  struct pollfd answer = {results[0], POLLIN, 0};
  put(orders[process][1], &o, sizeof o);
  if (poll(&answer, 1, 10000) != 1 || read(results[0], &r, sizeof r) != sizeof r) {
    printf("process %d does not answer: it was killed\n", process);
    exit(1);
  }
  return r;
}

static const char* name_of(int error) {
#ifdef __GLIBC__
  if (strerrorname_np(error) != NULL) return strerrorname_np(error);
#endif
  return strerror(error);
}
static const char* code_name(int number, int code) {
  if (code == SI_KERNEL) return "SI_KERNEL";
  if (number == SIGSEGV) return code == SEGV_MAPERR ? "SEGV_MAPERR" : code == SEGV_ACCERR ? "SEGV_ACCERR" : "?";
  if (number == SIGBUS) return code == BUS_ADRERR ? "BUS_ADRERR" : "?";
  return "?";
}
static void show(int step, const struct result* r) {
  printf("%3d  %s: ", step, step_text(step));
  if (r->kind == SIGNAL) {
    const char* name = r->signal == SIGSEGV ? "SIGSEGV" : r->signal == SIGBUS ? "SIGBUS" : strsignal(r->signal);
    printf("%s %s at 0x%lx, error code 0x%lx", name, code_name(r->signal, r->code), r->address, r->error);
  } else if (r->kind == LEFT_OUT) {
    printf("left out: a program of Linux cannot do that");
  } else if (r->kind == ACCESS) {
    printf("done");
  } else if (r->value < 0 && r->value > -4096) {
    printf("-%s", name_of((int)-r->value));
  } else if (r->value >= 0 && r->value < 0x10000) {
    printf("%ld", r->value);
  } else {
    printf("0x%lx", (unsigned long)r->value);
  }
  for (unsigned i = 0; i < r->count; ++i) printf("%s%02x", i == 0 ? ", bytes " : " ", r->bytes[i]);
  printf("\n");
}

int main(void) {
  int alive[PROCESSES] = {1, 0, 0, 0}, current = 0;
  struct sigaction action;
  setvbuf(stdout, NULL, _IOLBF, 0);
  make_files();
  if (pipe(results) != 0) die("pipe");
  for (int i = 0; i < PROCESSES; ++i) {
    if (pipe(orders[i]) != 0) die("pipe");
  }
  memset(&action, 0, sizeof action);
  action.sa_sigaction = on_signal;
  action.sa_flags = SA_SIGINFO | SA_NODEFER;
  if (sigaction(SIGSEGV, &action, NULL) != 0 || sigaction(SIGBUS, &action, NULL) != 0 ||
      sigaction(SIGTRAP, &action, NULL) != 0 || sigaction(SIGILL, &action, NULL) != 0)
    die("sigaction");
  const pid_t first = fork();
  if (first < 0) die("fork");
  if (first == 0) {
    for (int i = 0; i < PROCESSES; ++i) close(orders[i][1]);
    serve(0);
  }
  for (int step = 0; step < step_count(); ++step) {
    const int kind = step_kind(step);
    struct order o = {kind, step, 0};
    struct result r;
    memset(&r, 0, sizeof r);
    if (kind >= SWITCH) {
      r.value = alive[kind - SWITCH] ? 0 : -ESRCH;
      if (alive[kind - SWITCH]) current = kind - SWITCH;
    } else if (kind == FORK) {
      while (o.child < PROCESSES && alive[o.child]) ++o.child;
      r.value = -EAGAIN;
      if (o.child < PROCESSES) r = give(current, o);
      if (r.value >= 0) alive[r.value] = 1;
    } else if (kind == EXIT && alive[0] + alive[1] + alive[2] + alive[3] == 1) {
      r.value = -EPERM;
    } else {
      r = give(current, o);
      if (kind == EXIT) {
        alive[current] = 0;
        current = 0;
      }
      while (!alive[current]) ++current;
    }
    show(step, &r);
  }
  for (int i = 0; i < PROCESSES; ++i) close(orders[i][1]);
  while (wait(NULL) > 0) {
  }
  return 0;
}
