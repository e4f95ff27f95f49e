// Processes: fork, exec, waiting, signals, groups, locks. Prints what happened, never a number
// that differs from run to run. "processes" runs everything; with an argument it is a helper.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { kFutexWait = 0, kFutexWake = 1 };

static const char* self;

static void result(const char* what, int value) {
  const int error = errno;
  printf("%s: %d%s%s\n", what, value, value < 0 ? " " : "", value < 0 ? strerror(error) : "");
}

static pid_t start(void) {
  fflush(NULL);
  const pid_t pid = fork();
  if (pid < 0) {
    perror("fork");
    exit(1);
  }
  return pid;
}

static void show(const char* what, int status) {
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

static int wait_for(pid_t pid) {
  int status = -1;
  if (waitpid(pid, &status, 0) != pid) perror("waitpid");
  return status;
}

static void copy_on_write(void) {
  static int data = 1;
  int* heap = malloc(100000 * sizeof(int));
  for (int i = 0; i < 100000; i += 512) heap[i] = i;
  const pid_t child = start();
  if (child == 0) {
    int good = data == 1;
    for (int i = 0; i < 100000; i += 512) good &= heap[i] == i;
    data = 2;
    for (int i = 0; i < 100000; i += 512) heap[i] = -1;
    _exit(good ? 7 : 8);
  }
  show("copy on write", wait_for(child));
  int good = data == 1;
  for (int i = 0; i < 100000; i += 512) good &= heap[i] == i;
  printf("the parent's memory: %s\n", good ? "its own" : "changed");
  free(heap);
}

static void shared_memory(void) {
  int* shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  *shared = 0;
  const pid_t child = start();
  if (child == 0) {
    const struct timespec pause = {0, 20 * 1000 * 1000};
    nanosleep(&pause, NULL);
    __atomic_store_n(shared, 42, __ATOMIC_SEQ_CST);
    syscall(SYS_futex, shared, kFutexWake, 1, NULL, NULL, 0);
    _exit(0);
  }
  while (__atomic_load_n(shared, __ATOMIC_SEQ_CST) == 0) syscall(SYS_futex, shared, kFutexWait, 0, NULL, NULL, 0);
  printf("shared memory: %d\n", *shared);
  show("its writer", wait_for(child));
}

static void pipes(void) {
  int fd[2], back[2];
  if (pipe(fd) != 0 || pipe(back) != 0) perror("pipe");
  const pid_t child = start();
  if (child == 0) {
    close(fd[1]);
    close(back[0]);
    unsigned long sum = 0;
    unsigned char buffer[5000];
    ssize_t n;
    while ((n = read(fd[0], buffer, sizeof buffer)) > 0)
      for (ssize_t i = 0; i < n; ++i) sum = sum * 31 + buffer[i];
    if (write(back[1], &sum, sizeof sum) != sizeof sum) _exit(1);
    _exit(n == 0 ? 0 : 2);
  }
  close(fd[0]);
  close(back[1]);
  unsigned long mine = 0, theirs = 0;
  static unsigned char data[300000];
  for (size_t i = 0; i < sizeof data; ++i) mine = mine * 31 + (data[i] = (unsigned char)(i * 7));
  if (write(fd[1], data, sizeof data) != sizeof data) perror("write");
  close(fd[1]);
  if (read(back[0], &theirs, sizeof theirs) != sizeof theirs) perror("read");
  printf("through a pipe: %s\n", mine == theirs ? "all of it" : "something else");
  show("reader", wait_for(child));
  close(back[0]);

  if (pipe(fd) != 0) perror("pipe");
  const pid_t writer = start();
  if (writer == 0) {
    close(fd[0]);
    for (;;)
      if (write(fd[1], data, 100000) < 0) _exit(9);
  }
  close(fd[1]);
  if (read(fd[0], data, 10) != 10) perror("read");
  close(fd[0]);
  show("writer without reader", wait_for(writer));
}

static void ends(void) {
  const int signals[] = {SIGKILL, SIGTERM, SIGUSR1, SIGALRM};
  for (unsigned i = 0; i < 4; ++i) {
    const pid_t child = start();
    if (child == 0) {
      for (;;) pause();
    }
    kill(child, signals[i]);
    show("pausing child", wait_for(child));
  }
  const pid_t child = start();
  if (child == 0) {
    const struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    volatile int* volatile nowhere = (volatile int*)8;
    *nowhere = 1;
  }
  show("faulting child", wait_for(child));
  for (int code = 0; code < 512; code += 171) {
    const pid_t quick = start();
    if (quick == 0) _exit(code);
    show("quick child", wait_for(quick));
  }
  result("nobody left", waitpid(-1, NULL, 0));
}

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

static void executing(void) {
  const int kept = open("/dev/null", O_RDONLY), closed = open("/dev/null", O_RDONLY | O_CLOEXEC);
  char a[16], b[16];
  sprintf(a, "%d", kept);
  sprintf(b, "%d", closed);
  signal(SIGUSR1, SIG_IGN);
  signal(SIGUSR2, SIG_DFL);
  struct sigaction action = {0};
  action.sa_sigaction = note;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGUSR2, &action, NULL);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGHUP);
  sigprocmask(SIG_BLOCK, &set, NULL);
  umask(027);
  pid_t child = start();
  if (child == 0) {
    execl(self, "renamed", "helper", a, b, (char*)NULL);
    _exit(126);
  }
  show("executed", wait_for(child));
  sigprocmask(SIG_UNBLOCK, &set, NULL);
  signal(SIGUSR1, SIG_DFL);
  signal(SIGUSR2, SIG_DFL);
  umask(022);
  char* const arguments[] = {(char*)"spawned", (char*)"code", (char*)"23", NULL};
  char* const environment[] = {NULL};
  fflush(NULL);
  if (posix_spawn(&child, self, NULL, NULL, arguments, environment) != 0) perror("posix_spawn");
  show("spawned", wait_for(child));
  printf("spawn of nothing: %s\n", strerror(posix_spawn(&child, "/nowhere", NULL, NULL, arguments, environment)));
  const char* const bad[] = {"/", "/nowhere", "/dev/null", "script", "loop", "text", "empty"};
  for (unsigned i = 0; i < sizeof bad / sizeof *bad; ++i) {
    child = start();
    if (child == 0) {
      execl(bad[i], bad[i], "argument", (char*)NULL);
      _exit(errno);
    }
    const int status = wait_for(child);
    printf("exec %s: %s\n", bad[i], WIFEXITED(status) && WEXITSTATUS(status) ? strerror(WEXITSTATUS(status)) : "done");
  }
  const int writer = open("busy", O_CREAT | O_WRONLY, 0755);
  child = start();
  if (child == 0) {
    execl("busy", "busy", (char*)NULL);
    _exit(errno);
  }
  printf("exec of a file being written: %s\n", strerror(WEXITSTATUS(wait_for(child))));
  close(writer);
  result("write to a program that runs", open(self, O_WRONLY));
}

static void vforking(void) {
  volatile int shared = 1;
  fflush(NULL);
  const pid_t child = vfork();
  if (child == 0) {
    shared = 2;
    _exit(4);
  }
  printf("vfork: %d\n", shared);
  show("its child", wait_for(child));
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

static void inheritance(void) {
  const int fd = open("shared", O_CREAT | O_RDWR | O_TRUNC, 0644);
  const pid_t child = start();
  if (child == 0) {
    if (write(fd, "child ", 6) != 6 || chdir("/") != 0) _exit(1);
    umask(0);
    _exit(0);
  }
  show("child", wait_for(child));
  if (write(fd, "parent", 6) != 6) perror("write");
  char text[16] = "";
  printf("one position: %d \"%.*s\"\n", (int)pread(fd, text, 15, 0), 12, text);
  char folder[4096];
  printf("own folder: %d, own umask: %o\n", strcmp(getcwd(folder, sizeof folder), "/") != 0, umask(022));
  close(fd);

  int end[2];
  if (pipe(end) != 0) perror("pipe");
  const pid_t middle = start();
  if (middle == 0) {
    const pid_t old = getpid();
    if (start() == 0) {
      close(end[0]);
      while (getppid() == old) sched_yield();
      if (write(end[1], "orphan", 6) != 6) _exit(1);
      _exit(0);
    }
    _exit(0);
  }
  show("middle", wait_for(middle));
  close(end[1]);
  ssize_t n = read(end[0], text, 6);
  printf("from the %.*s\n", (int)n, text);
  printf("and then: %d\n", (int)read(end[0], text, 6));
  close(end[0]);
}

static void named_pipe(void) {
  mkfifo("fifo", 0600);
  const pid_t child = start();
  if (child == 0) {
    const int out = open("fifo", O_WRONLY);
    _exit(write(out, "through the fifo", 16) == 16 ? 0 : 1);
  }
  char text[32];
  const int in = open("fifo", O_RDONLY);
  const ssize_t n = read(in, text, sizeof text);
  printf("%.*s\n", (int)n, text);
  show("its writer", wait_for(child));
  close(in);
}

static int helper(int argc, char** argv) {
  struct sigaction action;
  char name[16];
  prctl(PR_GET_NAME, name);
  printf("%s %d, %s\n", argv[0], argc, strncmp(name, "processes", 9) == 0 ? "named for its file" : name);
  printf("kept %d, closed %d\n", fcntl(atoi(argv[2]), F_GETFD), fcntl(atoi(argv[3]), F_GETFD));
  sigaction(SIGUSR1, NULL, &action);
  printf("SIGUSR1 %s\n", action.sa_handler == SIG_IGN ? "ignored" : "not ignored");
  sigaction(SIGUSR2, NULL, &action);
  printf("SIGUSR2 %s\n", action.sa_handler == SIG_DFL ? "default" : "not default");
  sigset_t set;
  sigprocmask(SIG_BLOCK, NULL, &set);
  printf("SIGHUP %s, umask %o\n", sigismember(&set, SIGHUP) ? "blocked" : "not blocked", umask(0));
  return 17;
}

static void write_file(const char* name, const char* text, mode_t mode) {
  const int fd = open(name, O_CREAT | O_WRONLY | O_TRUNC, mode);
  if (write(fd, text, strlen(text)) < 0) perror("write");
  close(fd);
}

int main(int argc, char** argv) {
  if (argc > 1 && strcmp(argv[1], "helper") == 0) return helper(argc, argv);
  if (argc > 1 && strcmp(argv[1], "code") == 0) return atoi(argv[2]);
  if (argc > 2 && strcmp(argv[2], "script") == 0) {
    for (int i = 1; i < argc; ++i) printf("argument %d: %s\n", i, argv[i]);
    return 0;
  }
  self = argv[0];
  umask(022);
  char line[4200];
  sprintf(line, "#! %s one word \n", self);
  write_file("script", line, 0755);
  write_file("loop", "#!loop\n", 0755);
  write_file("text", "echo hello\n", 0755);
  write_file("empty", "", 0755);
  copy_on_write();
  shared_memory();
  pipes();
  ends();
  child_signals();
  wait_options();
  groups();
  executing();
  vforking();
  locks();
  timers();
  inheritance();
  named_pipe();
  puts("done");
  return 0;
}
