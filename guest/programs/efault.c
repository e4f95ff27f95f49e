// System calls handed bad pointers: -EFAULT or a short count, never a signal; good ones are faulted in.
#include "guest/programs/rt.h"

int run(int argc, char** argv) {
  (void)argc;
  (void)argv;
  int fd = numbered_file(2);
  char* fresh = anonymous(4);
  line("read into fresh memory", sys4(__NR_pread64, fd, fresh + 100, 2 * PAGE, 0));
  line("byte", fresh[100 + PAGE]);
  line("read into a hole", sys4(__NR_pread64, fd, 16, 10, 0));
  line("read into the kernel half", sys4(__NR_pread64, fd, 0xffff888000000000, 10, 0));
  line("read into a non-canonical address", sys4(__NR_pread64, fd, 0x8000000000000000, 10, 0));
  line("read into read-only memory", sys4(__NR_pread64, fd, probe_code, 10, 0));
  MUST(sys3(__NR_mprotect, fresh + PAGE, PAGE, PROT_NONE));
  line("read into half a hole", sys4(__NR_pread64, fd, fresh + PAGE - 50, 100, 0));
  line("write from a hole", sys3(__NR_write, 1, 16, 10));
  line("write from read-only memory", sys4(__NR_pwrite64, fd, probe_code, 6, 0));
  line("write from untouched memory", sys4(__NR_pwrite64, fd, fresh + 3 * PAGE, 64, 0));
  line("open with a bad name", sys4(__NR_openat, AT_FDCWD, 16, 0, 0));
  line("getcwd into a hole", sys2(__NR_getcwd, 16, 100));
  line("uname into a hole", sys1(__NR_uname, 16));
  line("clock_gettime into a hole", sys2(__NR_clock_gettime, 0, 16));
  line("sigaction from a hole", sys4(__NR_rt_sigaction, 10, 16, 0, 8));
  line("prlimit into a hole", sys4(__NR_prlimit64, 0, 3, 0, 16));
  struct {
    const void* base;
    u64 length;
  } pieces[3] = {{fresh, 10}, {(void*)16, 10}, {fresh, 10}};
  line("writev with a bad piece", sys3(__NR_writev, fd, pieces, 3));
  line("writev with a bad list", sys3(__NR_writev, fd, 16, 3));
  line("readv with a negative count", sys3(__NR_readv, fd, pieces, -1));
  line("unknown system call", sys0(9999));
  line("bad descriptor", sys3(__NR_read, 55, fresh, 1));
  return 0;
}
