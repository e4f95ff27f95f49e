// Children of a guest program, and what is told of them: never a number that differs from run to run.
#ifndef CHILDREN_H
#define CHILDREN_H

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static inline void result(const char* what, int value) {
  const int error = errno;
  printf("%s: %d%s%s\n", what, value, value < 0 ? " " : "", value < 0 ? strerror(error) : "");
}

static inline pid_t start(void) {
  fflush(NULL);
  const pid_t pid = fork();
  if (pid < 0) {
    perror("fork");
    exit(1);
  }
  return pid;
}

static inline void show(const char* what, int status) {
  if (WIFEXITED(status)) {
    printf("%s: exited %d\n", what, WEXITSTATUS(status));
  } else if (WIFSIGNALED(status)) {
    printf("%s: killed by %d\n", what, WTERMSIG(status));
  } else if (WIFSTOPPED(status)) {
    printf("%s: stopped by %d\n", what, WSTOPSIG(status));
  } else if (WIFCONTINUED(status)) {
    printf("%s: continued\n", what);
  }
}

static inline int wait_for(pid_t pid) {
  int status = -1;
  if (waitpid(pid, &status, 0) != pid) perror("waitpid");
  return status;
}

#endif
