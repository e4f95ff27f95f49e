// What a program asks of the system without touching files: time, limits, identity, environment, random
// bytes, locale, thread-local storage, atexit.
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

static _Thread_local int counter = 41;
static _Thread_local char zeroed[100];

static void goodbye(void) { puts("goodbye"); }

static long long nanoseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000000000ll + now.tv_nsec;
}

int main(int argc, char** argv) {
  atexit(goodbye);
  printf("arguments %d", argc);
  for (int i = 1; i < argc; ++i) printf(" [%s]", argv[i]);
  printf("\nLANG %s\n", getenv("LANG") ? getenv("LANG") : "unset");
  printf("thread-local %d %d\n", ++counter, zeroed[99]);

  long long before = nanoseconds();
  struct timespec nap = {0, 2000000};
  printf("nanosleep %d\n", nanosleep(&nap, NULL));
  long long slept = nanoseconds() - before;
  printf("slept long enough: %d\n", slept >= 2000000 && slept < 10000000000);
  struct timeval day;
  gettimeofday(&day, NULL);
  printf("time agrees: %d\n", llabs((long long)day.tv_sec - (long long)time(NULL)) <= 1);
  time_t then = 86400 * 365;
  char date[64];
  strftime(date, sizeof date, "%Y-%m-%d %H:%M:%S", gmtime(&then));
  puts(date);

  printf("pid stays: %d\n", getpid() == getpid() && getpid() > 0);
  printf("uid %d gid %d\n", (int)getuid(), (int)getgid());
  struct utsname name;
  printf("uname %d %s %s\n", uname(&name), name.sysname, name.machine);
  struct rlimit limit;
  printf("getrlimit %d\n", getrlimit(RLIMIT_NOFILE, &limit));
  struct sysinfo about;
  printf("sysinfo %d\n", sysinfo(&about));
  printf("page size %ld\n", sysconf(_SC_PAGESIZE));
  unsigned char bytes[64] = {0};
  int nonzero = 0;
  printf("getrandom %zd\n", getrandom(bytes, sizeof bytes, 0));
  for (int i = 0; i < 64; ++i) nonzero += bytes[i] != 0;
  printf("random enough: %d\n", nonzero > 32);
  struct rusage usage;
  printf("getrusage %d\n", getrusage(RUSAGE_SELF, &usage));
  errno = 0;
  printf("strtod %.17g %s\n", strtod("0x1.8p3", NULL), strerror(ERANGE));
  fprintf(stderr, "this goes to stderr\n");
  return argc > 2 ? atoi(argv[2]) : 0;
}
