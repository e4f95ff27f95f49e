#include "guest/programs/fidelity/family.h"

long fork_now(void) {
  flush();
  return MUST(sys0(__NR_fork));
}

void wait_for(const char* what, long child) {
  int status = 0;
  long ended = sys4(__NR_wait4, child, &status, 0, 0);
  text(what);
  text(ended == child ? ": status " : ": not its child ");
  hex((u64)(unsigned)status);
  text("\n");
}

void done(int status) { leave(status); }

void in_a_child(const char* what, void (*child)(void)) {
  long pid = fork_now();
  if (pid == 0) {
    child();
    done(0);
  }
  wait_for(what, pid);
}
