#include "guest/programs/fidelity/cases.h"

// How much stack is touched before a case starts. A signal frame takes what the processor's extended state takes,
// which need not be the same in a guest; here it always lands on pages that are there.
enum { kWarmStack = 64 * 1024 };

static struct faults marked;

__attribute__((noinline)) static void warm_stack(void) {
  volatile char bytes[kWarmStack];
  for (u64 i = 0; i < kWarmStack; i += PAGE) bytes[i] = 0;
  (void)bytes[kWarmStack - 1];
}

static int same(const char* a, const char* b) {
  while (*a && *a == *b) ++a, ++b;
  return *a == *b;
}

static void list_cases(void) {
  for (const struct known_case* c = cases; c->name; ++c) {
    text(c->name);
    text("\n");
  }
}

int run(int argc, char** argv) {
  if (argc < 2) {
    list_cases();
    return 0;
  }
  for (const struct known_case* c = cases; c->name; ++c) {
    if (!same(c->name, argv[1])) continue;
    warm_stack();
    warm_look();
    catch_faults();
    mark();
    tell("start");
    struct faults before = faults_now();
    c->run();
    struct faults after = faults_now();
    line("minor faults of the case", after.minor - before.minor);
    line("major faults of the case", after.major - before.major);
    return 0;
  }
  text("no such case\n");
  return 98;
}

char* private_at(char* place, u64 pages, int prot) {
  return (char*)MUST(sysmmap(place, pages * PAGE, prot, kPrivate | MAP_FIXED, -1, 0));
}

char* shared_at(char* place, u64 pages, int prot) {
  return (char*)MUST(sysmmap(place, pages * PAGE, prot, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
}

char* file_at(char* place, u64 pages, int prot, int flags, int fd, u64 first_page) {
  return (char*)MUST(sysmmap(place, pages * PAGE, prot, flags | MAP_FIXED, fd, first_page * PAGE));
}

void read_pages(char* memory, u64 pages) {
  for (u64 i = 0; i < pages; ++i) (void)*(volatile char*)(memory + i * PAGE);
}

void write_pages(char* memory, u64 pages) {
  for (u64 i = 0; i < pages; ++i) *(volatile char*)(memory + i * PAGE) = (char)(i + 1);
}

void mark(void) { marked = faults_now(); }

void tell(const char* what) {
  struct faults now = faults_now();
  text(what);
  text(": minor ");
  dec(now.minor - marked.minor);
  text(" major ");
  dec(now.major - marked.major);
  text("\n");
  marked = faults_now();
}

void result(const char* what, long value) {
  text(what);
  text(": ");
  dec(value);
  text("\n");
}
