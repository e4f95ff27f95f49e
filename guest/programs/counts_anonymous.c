// Minor and major faults of access patterns over anonymous memory.
#include "guest/programs/rt.h"

enum { kPages = 256 };

static void reads(char* memory, u64 pages) {
  for (u64 i = 0; i < pages; ++i) (void)*(volatile char*)(memory + i * PAGE);
}

static void writes(char* memory, u64 pages) {
  for (u64 i = 0; i < pages; ++i) *(volatile char*)(memory + i * PAGE) = 1;
}

static void backwards(char* memory, u64 pages) {
  while (pages-- > 0) *(volatile char*)(memory + pages * PAGE) = 1;
}

static void strided(char* memory, u64 pages) {
  for (u64 i = 0; i < pages; i += 7) *(volatile char*)(memory + i * PAGE) = 1;
}

static void random(char* memory, u64 pages) {
  u64 state = 12345;
  for (u64 i = 0; i < pages; ++i) {
    state = state * 6364136223846793005 + 1442695040888963407;
    volatile char* byte = memory + (state >> 33) % pages * PAGE;
    if (state >> 63)
      *byte = 1;
    else
      (void)*byte;
  }
}

static void every_byte(char* memory, u64 pages) {
  for (u64 i = 0; i < pages * PAGE; i += 8) *(volatile u64*)(memory + i) += 1;
}

static void populate(char* memory, u64 pages) {
  if (pages > 0) MUST(sys3(__NR_madvise, memory, pages * PAGE, MADV_POPULATE_WRITE));
}

static void drop(char* memory, u64 pages) {
  if (pages > 0) MUST(sys3(__NR_madvise, memory, pages * PAGE, MADV_DONTNEED));
}

static void none_and_back(char* memory, u64 pages) {
  if (pages == 0) return;
  MUST(sys3(__NR_mprotect, memory, pages * PAGE, PROT_NONE));
  MUST(sys3(__NR_mprotect, memory, pages * PAGE, PROT_READ | PROT_WRITE));
  writes(memory, pages);
}

static void lock(char* memory, u64 pages) {
  if (pages > 0) MUST(sys2(__NR_mlock, memory, pages * PAGE));
}

static void read_by_kernel(char* memory, u64 pages) {
  int fd = (int)sys2(__NR_memfd_create, "sink", 0);
  if (pages > 0) sys4(__NR_pwrite64, fd, memory, pages * PAGE, 0);
  sys1(__NR_close, fd);
}

int run(int argc, char** argv) {
  (void)argc;
  (void)argv;
  char* memory = anonymous(kPages);
  count("reads", reads, memory, kPages);
  count("reads again", reads, memory, kPages);
  count("writes after reads", writes, memory, kPages);
  count("writes again", writes, memory, kPages);
  count("dropping", drop, memory, kPages);
  count("writes after dropping", writes, memory, kPages);
  count("PROT_NONE and back", none_and_back, memory, kPages);
  count("backwards", backwards, anonymous(kPages), kPages);
  count("strided", strided, anonymous(kPages), kPages);
  count("random", random, anonymous(kPages), kPages);
  count("every word", every_byte, anonymous(kPages), kPages);
  memory = anonymous(kPages);
  count("populate", populate, memory, kPages);
  count("writes after populate", writes, memory, kPages);
  count("mlock", lock, anonymous(16), 16);
  count("read by the kernel", read_by_kernel, anonymous(kPages), kPages);
  memory = (char*)MUST(sysmmap(0, kPages * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  count("shared writes", writes, memory, kPages);
  char* start = (char*)sys1(__NR_brk, 0);
  sys1(__NR_brk, start + kPages * PAGE);
  count("brk", writes, start, kPages);
  return 0;
}
