// Processes: fork, exec, what they share and what they inherit, how they end. "processes" runs
// everything; with an argument it is a helper.
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

#include "children.h"

enum { kFutexWait = 0, kFutexWake = 1 };

static const char* self;

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

static void ignore(int signo) { (void)signo; }

static void executing(void) {
  const int kept = open("/dev/null", O_RDONLY), closed = open("/dev/null", O_RDONLY | O_CLOEXEC);
  char a[16], b[16];
  sprintf(a, "%d", kept);
  sprintf(b, "%d", closed);
  signal(SIGUSR1, SIG_IGN);
  signal(SIGUSR2, ignore);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGHUP);
  sigprocmask(SIG_BLOCK, &set, NULL);
  umask(027);
  const pid_t child = start();
  if (child == 0) {
    execl(self, "renamed", "helper", a, b, (char*)NULL);
    _exit(126);
  }
  show("executed", wait_for(child));
  sigprocmask(SIG_UNBLOCK, &set, NULL);
  signal(SIGUSR1, SIG_DFL);
  signal(SIGUSR2, SIG_DFL);
  umask(022);
}

static void spawning(void) {
  char* const arguments[] = {(char*)"spawned", (char*)"code", (char*)"23", NULL};
  char* const environment[] = {NULL};
  pid_t child;
  fflush(NULL);
  if (posix_spawn(&child, self, NULL, NULL, arguments, environment) != 0) perror("posix_spawn");
  show("spawned", wait_for(child));
  printf("spawn of nothing: %s\n", strerror(posix_spawn(&child, "/nowhere", NULL, NULL, arguments, environment)));
}

static int exec_in_child(const char* name) {
  const pid_t child = start();
  if (child == 0) {
    execl(name, name, "argument", (char*)NULL);
    _exit(errno);
  }
  return wait_for(child);
}

static void odd_programs(void) {
  const char* const names[] = {"/", "/nowhere", "/dev/null", "script", "loop", "text", "empty"};
  for (unsigned i = 0; i < sizeof names / sizeof *names; ++i) {
    const int status = exec_in_child(names[i]);
    printf("exec %s: %s\n", names[i],
           WIFEXITED(status) && WEXITSTATUS(status) ? strerror(WEXITSTATUS(status)) : "done");
  }
}

static void busy_programs(void) {
  const int writer = open("busy", O_CREAT | O_WRONLY, 0755);
  printf("exec of a file being written: %s\n", strerror(WEXITSTATUS(exec_in_child("busy"))));
  close(writer);
  result("write to a program that runs", open(self, O_WRONLY));
  result("by another name", open("/proc/self/exe", O_WRONLY));
  result("truncated", truncate(self, 0));
  const int reader = open(self, O_RDONLY);
  char name[32];
  sprintf(name, "/proc/self/fd/%d", reader);
  result("opened again", open(name, O_RDONLY | O_TRUNC));
  close(reader);
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
  executing();
  spawning();
  odd_programs();
  busy_programs();
  vforking();
  inheritance();
  named_pipe();
  puts("done");
  return 0;
}
