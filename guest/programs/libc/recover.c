// A SIGSEGV handler that reads siginfo and ucontext and leaves with siglongjmp; then one that mends
// the mapping and returns, so that the access succeeds.
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

static sigjmp_buf back;
static char* area;
static volatile int mended;

static void leave(int number, siginfo_t* info, void* context) {
  greg_t* registers = ((ucontext_t*)context)->uc_mcontext.gregs;
  printf("signal %d code %d at %+ld trap %lld error %llx cr2 %+ld\n", number, info->si_code,
         (long)((char*)info->si_addr - area), registers[REG_TRAPNO], (unsigned long long)registers[REG_ERR],
         (long)((char*)registers[REG_CR2] - area));
  siglongjmp(back, 1);
}

static void mend(int number, siginfo_t* info, void* context) {
  (void)number;
  (void)context;
  ++mended;
  mprotect((void*)((unsigned long)info->si_addr & -4096ul), 4096, PROT_READ | PROT_WRITE);
}

static void install(void (*handler)(int, siginfo_t*, void*)) {
  struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
  sigaction(SIGSEGV, &action, NULL);
  sigaction(SIGBUS, &action, NULL);
}

int main(void) {
  area = mmap(NULL, 16 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  area[4096] = 'x';
  mprotect(area + 4096, 4096, PROT_READ);
  mprotect(area + 8192, 4096, PROT_NONE);
  install(leave);
  volatile char* cases[] = {area + 4096 + 17, area + 8192, area + 3 * 4096 - 1, area + 5};
  for (volatile int i = 0; i < 4; ++i) {
    if (sigsetjmp(back, 1) == 0) {
      *cases[i] = 'y';
      printf("case %d went through\n", i);
    }
  }
  FILE* file = tmpfile();
  if (!file) return 1;
  fputs("short", file);
  fflush(file);
  volatile char* map = mmap(NULL, 8192, PROT_READ, MAP_SHARED, fileno(file), 0);
  char* old = area;
  area = (char*)map;
  if (sigsetjmp(back, 1) == 0) printf("past the end: %d\n", map[4096]);
  area = old;

  for (volatile int i = 0; i < 3; ++i)
    if (sigsetjmp(back, 1) == 0) *(volatile char*)(area + 8192 + i) = 1;
  mprotect(area, 16 * 4096, PROT_NONE);
  install(mend);
  for (int i = 0; i < 16; ++i) area[i * 4096 + 1] = (char)(i + 1);
  int sum = 0;
  for (int i = 0; i < 16; ++i) sum += area[i * 4096 + 1];
  printf("mended %d times, sum %d, kept %c\n", mended, sum, area[4096]);
  return 7;
}
