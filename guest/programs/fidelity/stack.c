// Stacks that grow: how far, up to what, and what it costs (section 2).
#include "guest/programs/fidelity/cases.h"

#include <linux/resource.h>

static void set_limit(int what, u64 bytes) {
  u64 limit[2] = {bytes, RLIM64_INFINITY};
  u64 old[2];
  MUST(sys4(__NR_prlimit64, 0, what, 0, old));
  limit[1] = old[1];
  MUST(sys4(__NR_prlimit64, 0, what, limit, 0));
}

// A page of the stack far below the stack pointer; the probe itself stays where it is.
static char* below(u64 bytes) { return (char*)(((u64)__builtin_frame_address(0) & ~(PAGE - 1)) - bytes); }

static void far_below_the_pointer(void) {
  static const u64 distances[] = {128UL << 10, 1UL << 20, 4UL << 20};
  s64 stack = status("VmStk:");
  for (u64 i = 0; i < sizeof distances / sizeof distances[0]; ++i) {
    mark();
    report("read", probe_load(below(distances[i])), below(0));
    tell("one page");
  }
  result("VmStk grew by 4 MiB", status("VmStk:") - stack > 3900);
  maps("up to where", below(4UL << 20), 1);
}

static void up_to_the_limit(void) {
  set_limit(RLIMIT_STACK, 1UL << 20);
  report("within", probe_load(below(512UL << 10)), below(0));
  report("beyond", probe_load(below(2UL << 20)), below(0));
  set_limit(RLIMIT_STACK, 3UL << 20);
  report("within a higher limit", probe_load(below(2UL << 20)), below(0));
}

// An area that grows down at a place of its own.
static char* growing(char* place, u64 page_count) {
  return (char*)MUST(sysmmap(place, page_count * PAGE, kRw, kPrivate | MAP_GROWSDOWN | MAP_FIXED, -1, 0));
}

static void grows_page_by_page(void) {
  char* top = growing(fresh_place() + 64 * PAGE, 1);
  mark();
  for (int i = 0; i < 4; ++i) report("next page", probe_store(top - i * PAGE - 8), top);
  tell("four pages");
  maps("grown", top - 8 * PAGE, 9);
  report("skipping some", probe_store(top - 20 * PAGE), top);
  maps("grown further", top - 32 * PAGE, 33);
}

static void offset_in_pages_shrinks(void) {
  char* top = growing(fresh_place() + 64 * PAGE, 4);
  report("grow", probe_store(top - 3 * PAGE), top);
  maps("one area", top - 8 * PAGE, 12);
  MUST(sys3(__NR_mprotect, top + PAGE, PAGE, kRead));
  maps("split", top - 8 * PAGE, 12);
}

static void guard_gap_256(void) {
  char* place = fresh_place();
  private_at(place, 1, kRw);
  char* top = growing(place + 400 * PAGE, 1);
  // The neighbour ends at page 1: a start at page 257 leaves 256 pages.
  report("256 pages left", probe_store(place + 257 * PAGE), place);
  report("255 pages left", probe_store(place + 256 * PAGE), place);
  maps("where it ends", place, 402);
  (void)top;
}

static void guard_gap_unreadable_neighbour(void) {
  char* place = fresh_place();
  private_at(place, 1, PROT_NONE);
  growing(place + 300 * PAGE, 1);
  report("PROT_NONE neighbour is no obstacle", probe_store(place + 20 * PAGE), place);
  report("down to it", probe_store(place + PAGE), place);
  report("not into it", probe_store(place), place);
  maps("all", place, 301);
}

static void guard_gap_growing_neighbour(void) {
  char* place = fresh_place();
  growing(place, 1);
  growing(place + 300 * PAGE, 1);
  report("a stack below a stack is no obstacle", probe_store(place + 10 * PAGE), place);
  maps("all", place, 301);
}

static void read_only_stack(void) {
  char* top = (char*)MUST(sysmmap(fresh_place() + 64 * PAGE, PAGE, kRead, kPrivate | MAP_GROWSDOWN | MAP_FIXED, -1, 0));
  report("read grows it", probe_load(top - PAGE), top);
  report("write below", probe_store(top - 2 * PAGE), top);
  report("write in it", probe_store(top), top);
  maps("where it starts", top - 8 * PAGE, 9);
}

static void below_an_ordinary_area(void) {
  char* place = private_at(fresh_place() + 16 * PAGE, 1, kRw);
  report("it does not grow", probe_store(place - 1), place);
  report("nor by far", probe_store(place - 8 * PAGE), place);
}

static void lowest_addresses(void) {
  // Down to mmap_min_addr, no further.
  char* low = (char*)0x40000;
  growing(low, 1);
  report("down", probe_store((char*)0x20000), 0);
  report("the lowest page", probe_store((char*)0x10000), 0);
  report("below it", probe_store((char*)0xf000), 0);
  report("page zero", probe_store((char*)0x10), 0);
}

static void by_a_system_call(void) {
  char* top = growing(fresh_place() + 64 * PAGE, 1);
  int fd = numbered_file(1);
  mark();
  result("read grows it", sys4(__NR_pread64, fd, top - 2 * PAGE, 100, 0));
  tell("one page");
  result("write grows it", sys4(__NR_pwrite64, fd, top - 4 * PAGE, 100, 0));
  tell("one page");
  maps("grown", top - 8 * PAGE, 9);
}

static void mapped_below_the_stack(void) {
  char* place = below(2UL << 20);
  private_at(place, 1, kRw);
  report("beyond it", probe_store(place - PAGE), place);
  report("in the gap above", probe_store(place + 200 * PAGE), place);
  report("above the gap", probe_store(place + 257 * PAGE), place);
}

static void accounted_to_the_limit_of_memory(void) {
  char* top = growing(fresh_place() + 4096 * PAGE, 1);
  // Room for some dozens of pages more than there are.
  set_limit(RLIMIT_AS, (u64)(status("VmSize:") + 256) << 10);
  report("small", probe_store(top - 16 * PAGE), top);
  report("too large", probe_store(top - 200 * PAGE), top);
}

static void locked_stack_grows_full(void) {
  char* top = growing(fresh_place() + 64 * PAGE, 2);
  result("mlock", sys2(__NR_mlock, top, 2 * PAGE));
  mark();
  report("grow", probe_store(top - 3 * PAGE), top);
  tell("every page comes in");
  resident("all", top - 3 * PAGE, 5);
}

const struct known_case cases[] = {
    {"far_below_the_pointer", far_below_the_pointer},
    {"up_to_the_limit", up_to_the_limit},
    {"grows_page_by_page", grows_page_by_page},
    {"offset_in_pages_shrinks", offset_in_pages_shrinks},
    {"guard_gap_256", guard_gap_256},
    {"guard_gap_unreadable_neighbour", guard_gap_unreadable_neighbour},
    {"guard_gap_growing_neighbour", guard_gap_growing_neighbour},
    {"read_only_stack", read_only_stack},
    {"below_an_ordinary_area", below_an_ordinary_area},
    {"lowest_addresses", lowest_addresses},
    {"by_a_system_call", by_a_system_call},
    {"mapped_below_the_stack", mapped_below_the_stack},
    {"accounted_to_the_limit_of_memory", accounted_to_the_limit_of_memory},
    {"locked_stack_grows_full", locked_stack_grows_full},
    {0, 0},
};
