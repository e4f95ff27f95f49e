// Sends itself SIGABRT: killed by it.
#include "guest/programs/rt.h"

int run(int argc, char** argv) {
  (void)argc;
  (void)argv;
  text("before\n");
  flush();
  sys3(__NR_tgkill, sys0(__NR_getpid), sys0(__NR_gettid), SIGABRT);
  return 0;
}
