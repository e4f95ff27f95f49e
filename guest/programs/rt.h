// The little run-time of the guest programs: system calls, printing and fault probes, with no libc below.
// A program is `int run(int argc, char** argv)`; what it returns is the exit status.
// Everything printed must come out the same natively and in the guest, so addresses that the kernel
// chose are printed as offsets from something the program knows.
#pragma once

#include <asm/mman.h>
#include <asm/signal.h>
#include <asm/unistd.h>
#include <linux/fcntl.h>
#include <linux/mman.h>
#include <linux/types.h>

typedef __u64 u64;
typedef __s64 s64;
typedef __u8 u8;

#define PAGE 4096UL
// Wraps a call that must work; the status 99 never means anything else.
#define MUST(call) must((call), #call)

int run(int argc, char** argv);

// The raw system call: the result or -errno.
long sys6(long number, long a, long b, long c, long d, long e, long f);
#define sys0(n) sys6(n, 0, 0, 0, 0, 0, 0)
#define sys1(n, a) sys6(n, (long)(a), 0, 0, 0, 0, 0)
#define sys2(n, a, b) sys6(n, (long)(a), (long)(b), 0, 0, 0, 0)
#define sys3(n, a, b, c) sys6(n, (long)(a), (long)(b), (long)(c), 0, 0, 0)
#define sys4(n, a, b, c, d) sys6(n, (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)
#define sys5(n, a, b, c, d, e) sys6(n, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), 0)
#define sysmmap(addr, len, prot, flags, fd, off) \
  sys6(__NR_mmap, (long)(addr), (long)(len), prot, flags, fd, (long)(off))

long must(long result, const char* what);
_Noreturn void leave(int status);

// Anonymous private memory of `pages` pages, read and write.
char* anonymous(u64 pages);
// A place of its own, 1 GiB apart, at which nothing else is: for counts that depend on alignment.
char* fresh_place(void);
// A memfd of `pages` pages; page i starts with the byte 'a' + i % 26 and repeats it.
int numbered_file(u64 pages);

// Buffered output; `flush` before anything that may kill the program.
void text(const char* s);
void hex(u64 value);
void dec(s64 value);
void line(const char* name, s64 value);  // name=decimal
void flush(void);

// What the last signal said. `happened` is 0 until one comes.
struct fault {
  int happened, signal, code;
  u64 address, trapno, error, cr2, rip;
};
extern volatile struct fault last_fault;

// From now on SIGSEGV, SIGBUS, SIGFPE, SIGILL and SIGTRAP are noted in last_fault and the probe that
// was running returns 1.
void catch_faults(void);
// Prints "what: ok" or the signal, with addresses as offsets from base.
void report(const char* what, int faulted, const void* base);

// Probes: one instruction each, 0 when it went through, 1 when it faulted (see catch_faults).
int probe_load(const volatile void* address);
int probe_load8(const volatile void* address);
int probe_store(volatile void* address);
int probe_store8(volatile void* address);
int probe_call(const volatile void* address);
int probe_lock_inc(volatile void* address);
int probe_clflush(const volatile void* address);
int probe_prefetch(const volatile void* address);
int probe_copy(void* to, const void* from, u64 bytes);  // rep movsb
int probe_fill(void* to, u64 bytes);                    // rep stosb
int probe_divide(void);
int probe_ud2(void);
int probe_int3(void);
int probe_hlt(void);
extern const char probe_code[6];  // xor %eax,%eax; ret: what probe_call finds where it may run

// Minor and major faults of this process so far.
struct faults {
  s64 minor, major;
};
struct faults faults_now(void);
// Runs the pattern and prints the faults it took. Text, stack and counters are warm before it starts.
void count(const char* what, void (*pattern)(char* memory, u64 pages), char* memory, u64 pages);
