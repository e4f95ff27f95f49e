// What a process does with others from outside: waits for them, signals and groups them, locks them
// out, is woken by a timer.
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <time.h>

#include "children.h"

static volatile sig_atomic_t caught;
static siginfo_t last_info;
static void note(int signo, siginfo_t* info, void* context) {
  (void)signo, (void)context;
  ++caught;
  last_info = *info;
}

static void child_signals(void) {
  struct sigaction action = {0}, before;
  action.sa_sigaction = note;
  action.sa_flags = SA_SIGINFO | SA_RESTART;
  sigaction(SIGCHLD, &action, &before);
  pid_t child = start();
  if (child == 0) _exit(3);
  while (!caught) pause();
  printf("SIGCHLD: code %d, status %d, pid %s\n", last_info.si_code, last_info.si_status,
         last_info.si_pid == child ? "right" : "wrong");
  show("it", wait_for(child));

  caught = 0;
  int hold[2];
  if (pipe(hold) != 0) perror("pipe");
  child = start();
  if (child == 0) {
    close(hold[1]);
    raise(SIGSTOP);
    char byte;
    _exit(read(hold[0], &byte, 1) == 0 ? 5 : 6);
  }
  int status;
  if (waitpid(child, &status, WUNTRACED) == child) show("job", status);
  printf("SIGCHLD: code %d, status %d\n", last_info.si_code, last_info.si_status);
  printf("nothing new: %d\n", waitpid(child, &status, WUNTRACED | WNOHANG));
  kill(child, SIGCONT);
  if (waitpid(child, &status, WCONTINUED) == child) show("job", status);
  close(hold[0]);
  close(hold[1]);
  show("job", wait_for(child));

  action.sa_flags = SA_SIGINFO | SA_NOCLDWAIT;
  sigaction(SIGCHLD, &action, NULL);
  child = start();
  if (child == 0) _exit(1);
  int reaped;
  while ((reaped = waitpid(-1, NULL, 0)) < 0 && errno == EINTR) {
  }
  result("SA_NOCLDWAIT", reaped);
  signal(SIGCHLD, SIG_IGN);
  child = start();
  if (child == 0) _exit(1);
  reaped = waitpid(child, NULL, 0);
  result("SIG_IGN", reaped);
  sigaction(SIGCHLD, &before, NULL);
}

static void wait_options(void) {
  const pid_t child = start();
  if (child == 0) _exit(11);
  siginfo_t info = {0};
  printf("WNOWAIT: %d", waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT));
  printf(" code %d status %d\n", info.si_code, info.si_status);
  memset(&info, 0, sizeof info);
  printf("again: %d", waitid(P_PGID, 0, &info, WEXITED));
  printf(" code %d status %d signo %d\n", info.si_code, info.si_status, info.si_signo);
  result("gone", waitid(P_ALL, 0, &info, WEXITED | WNOHANG));
  result("no events", waitid(P_ALL, 0, &info, WNOHANG));
  result("bad options", waitpid(-1, NULL, 0x1000000));
  struct rusage usage;
  const pid_t busy = start();
  if (busy == 0) {
    char* p = mmap(NULL, 100 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (int i = 0; i < 100; ++i) p[i * 4096] = 1;
    _exit(0);
  }
  wait4(busy, NULL, 0, &usage);
  printf("its faults: %s\n", usage.ru_minflt >= 100 && usage.ru_minflt < 400 ? "counted" : "not counted");
  getrusage(RUSAGE_CHILDREN, &usage);
  printf("all children's: %s\n", usage.ru_minflt >= 100 ? "counted" : "not counted");
}

static void groups(void) {
  int fd[2];
  if (pipe(fd) != 0) perror("pipe");
  pid_t members[3];
  for (int i = 0; i < 3; ++i) {
    members[i] = start();
    if (members[i] == 0) {
      setpgid(0, i == 0 ? 0 : members[0]);
      if (write(fd[1], "x", 1) != 1) _exit(1);
      for (;;) pause();
    }
    setpgid(members[i], members[0]);
  }
  char byte;
  for (int i = 0; i < 3; ++i)
    if (read(fd[0], &byte, 1) != 1) perror("read");
  printf("one group: %d\n", getpgid(members[2]) == members[0] && getpgid(members[0]) == members[0]);
  printf("kill the group: %d\n", kill(-members[0], SIGTERM));
  for (int i = 0; i < 3; ++i) {
    int status = 0;
    if (waitpid(-members[0], &status, 0) > 0) show("member", status);
  }
  result("no such group", kill(-members[0], 0));
  result("setpgid of a stranger", setpgid(1, 0));
  const pid_t child = start();
  if (child == 0) {
    const int own = setsid() == getpid() && getsid(0) == getpid() && getpgrp() == getpid();
    result("setsid", own);
    result("again", setsid());
    const int moved = setpgid(0, getppid());
    result("a leader moves", moved);
    fflush(stdout);
    _exit(0);
  }
  show("leader", wait_for(child));
  close(fd[0]);
  close(fd[1]);
}

static void locks(void) {
  const int fd = open("locked", O_CREAT | O_RDWR, 0644);
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 10, .l_len = 10};
  printf("lock: %d\n", fcntl(fd, F_SETLK, &lock));
  const pid_t parent = getpid();
  pid_t child = start();
  if (child == 0) {
    struct flock mine = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 0};
    const int refused = fcntl(fd, F_SETLK, &mine);
    printf("the child's: %d %s\n", refused, errno == EAGAIN || errno == EACCES ? "refused" : strerror(errno));
    fcntl(fd, F_GETLK, &mine);
    printf("in the way: type %d from %d length %d, of the parent: %d\n", mine.l_type, (int)mine.l_start,
           (int)mine.l_len, mine.l_pid == parent);
    mine = (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 10};
    printf("beside it: %d\n", fcntl(fd, F_SETLK, &mine));
    fflush(stdout);
    mine.l_len = 20;
    printf("waited for it: %d\n", fcntl(fd, F_SETLKW, &mine));
    fflush(stdout);
    _exit(0);
  }
  const struct timespec pause = {0, 30 * 1000 * 1000};
  nanosleep(&pause, NULL);
  lock.l_start = 10;
  lock.l_type = F_UNLCK;
  fcntl(fd, F_SETLK, &lock);
  show("locker", wait_for(child));
  lock.l_type = F_WRLCK;
  printf("free again: %d\n", fcntl(fd, F_SETLK, &lock));
  close(dup(fd));
  child = start();
  if (child == 0) _exit(fcntl(fd, F_SETLK, &lock) == 0 ? 0 : 1);
  show("any close ends it", wait_for(child));
  close(fd);
}

static void timers(void) {
  caught = 0;
  struct sigaction action = {0};
  action.sa_sigaction = note;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGALRM, &action, NULL);
  const struct itimerval often = {{0, 5000}, {0, 5000}}, never = {{0, 0}, {0, 0}};
  setitimer(ITIMER_REAL, &often, NULL);
  for (volatile unsigned long i = 0; caught < 3; ++i) {
  }
  setitimer(ITIMER_REAL, &never, NULL);
  printf("while computing: caught\n");
  setitimer(ITIMER_REAL, &often, NULL);
  const struct timespec long_time = {100, 0};
  result("asleep", nanosleep(&long_time, NULL));
  setitimer(ITIMER_REAL, &never, NULL);
  printf("alarm: %u\n", alarm(100));
  printf("alarm again: %u\n", alarm(0));
  signal(SIGALRM, SIG_DFL);
  const pid_t child = start();
  if (child == 0) {
    const struct itimerval once = {{0, 0}, {0, 10000}};
    setitimer(ITIMER_REAL, &once, NULL);
    for (;;) {
    }
  }
  show("by its own timer", wait_for(child));
}

int main(void) {
  child_signals();
  wait_options();
  groups();
  locks();
  timers();
  puts("done");
  return 0;
}
