// Minor and major faults of access patterns over a mapped memfd whose pages are in memory.
#include "guest/programs/rt.h"

enum { kPages = 256, kRw = PROT_READ | PROT_WRITE };

static int fd;

static void reads(char* memory, u64 pages) {
  for (u64 i = 0; i < pages; ++i) (void)*(volatile char*)(memory + i * PAGE);
}

static void writes(char* memory, u64 pages) {
  for (u64 i = 0; i < pages; ++i) *(volatile char*)(memory + i * PAGE) = 1;
}

static void backwards(char* memory, u64 pages) {
  while (pages-- > 0) (void)*(volatile char*)(memory + pages * PAGE);
}

static void strided(char* memory, u64 pages) {
  for (u64 i = 0; i < pages; i += 20) (void)*(volatile char*)(memory + i * PAGE);
}

static void reads_and_writes(char* memory, u64 pages) {
  for (u64 i = 0; i < pages; ++i) *(volatile char*)(memory + i * PAGE) += 1;
}

// Where a window of fault-around begins depends on the address, so the address is chosen here.
static char* map_at(u64 page_offset, int flags, u64 first) {
  char* place = fresh_place() + page_offset * PAGE;
  return (char*)MUST(sysmmap(place, (kPages - first) * PAGE, kRw, flags | MAP_FIXED, fd, first * PAGE));
}

static char* map(int flags, u64 first) { return map_at(0, flags, first); }

int run(int argc, char** argv) {
  (void)argc;
  (void)argv;
  fd = numbered_file(kPages);
  char* memory = map(MAP_PRIVATE, 0);
  count("private reads", reads, memory, kPages);
  count("private writes after reads", writes, memory, kPages);
  count("private writes", writes, map(MAP_PRIVATE, 0), kPages);
  count("private reads and writes", reads_and_writes, map(MAP_PRIVATE, 0), kPages);
  count("private reads backwards", backwards, map(MAP_PRIVATE, 0), kPages);
  count("private reads strided", strided, map(MAP_PRIVATE, 0), kPages);
  memory = map(MAP_SHARED, 0);
  count("shared reads", reads, memory, kPages);
  count("shared writes after reads", writes, memory, kPages);
  count("shared writes", writes, map(MAP_SHARED, 0), kPages);
  count("populated reads", reads, map(MAP_SHARED | MAP_POPULATE, 0), kPages);
  count("part of the file", reads, map(MAP_PRIVATE, 100), kPages - 100);
  count("not aligned to a window", reads, map_at(5, MAP_PRIVATE, 0), kPages);
  count("across a page table", reads, map_at(512 - 9, MAP_PRIVATE, 3), kPages - 3);
  count("backwards, not aligned", backwards, map_at(5, MAP_SHARED, 1), kPages - 1);
  return 0;
}
