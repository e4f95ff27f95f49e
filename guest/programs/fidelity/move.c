// mremap: what moves, what stays, what it costs (section 2.14).
#include "guest/programs/fidelity/cases.h"

enum { kMayMove = 1, kFixed = 2, kKeep = 4 };

static long move(char* from, u64 old_pages, u64 new_pages, int flags, char* to) {
  return sys5(__NR_mremap, from, old_pages * PAGE, new_pages * PAGE, flags, to);
}

static void moves_without_faults(void) {
  char *m = private_at(fresh_place(), 4, kRw), *to = fresh_place();
  write_pages(m, 4);
  pages("before", m, 4);
  result("moved", move(m, 4, 4, kMayMove | kFixed, to) == (long)to);
  mark();
  hash("contents", to, 4 * PAGE);
  write_pages(to, 4);
  tell("none");
  pages("after", to, 4);
  report("old place", probe_load(m), m);
}

static void grows_in_place(void) {
  char* m = private_at(fresh_place(), 2, kRw);
  write_pages(m, 2);
  result("grown", move(m, 2, 5, 0, 0) == (long)m);
  maps("one area", m, 6);
  private_at(m + 6 * PAGE, 1, kRead);
  result("to the neighbour", move(m, 5, 6, 0, 0) == (long)m);
  result("into it", move(m, 6, 7, 0, 0));
  long elsewhere = move(m, 6, 7, kMayMove, 0);
  result("moves instead", elsewhere > 0 && elsewhere != (long)m);
  result("contents", ((char*)elsewhere)[PAGE]);
  maps("old place", m, 7);
}

static void shrinks(void) {
  char* m = private_at(fresh_place(), 6, kRw);
  write_pages(m, 6);
  result("shrunk", move(m, 6, 2, 0, 0) == (long)m);
  maps("rest", m, 6);
  char* to = fresh_place();
  result("shrunk and moved", move(m, 2, 1, kMayMove | kFixed, to) == (long)to);
  result("contents", to[0]);
  maps("nothing left", m, 6);
}

static void replaces_the_target(void) {
  char *m = private_at(fresh_place(), 2, kRw), *to = private_at(fresh_place(), 4, kRead);
  write_pages(m, 2);
  read_pages(to, 4);
  result("moved", move(m, 2, 2, kMayMove | kFixed, to + PAGE) == (long)(to + PAGE));
  maps("in the middle", to, 4);
  result("contents", to[2 * PAGE]);
}

static void splits_the_source(void) {
  char *m = private_at(fresh_place(), 6, kRw), *to = fresh_place();
  write_pages(m, 6);
  result("moved", move(m + 2 * PAGE, 2, 2, kMayMove | kFixed, to) == (long)to);
  maps("hole", m, 6);
  result("contents", to[PAGE]);
  report("hole", probe_load(m + 2 * PAGE), m);
}

static void keeps_an_empty_source(void) {
  char *m = private_at(fresh_place(), 3, kRw), *to = fresh_place();
  write_pages(m, 3);
  result("moved", move(m, 3, 3, kMayMove | kFixed | kKeep, to) == (long)to);
  two_ranges("source and target", m, to, 3);
  maps("source", m, 3);
  mark();
  result("source is zero", m[0]);
  tell("one fault");
  result("target", to[2 * PAGE]);
  result("other length", move(to, 3, 4, kMayMove | kKeep, 0));
  result("may not move", move(to, 3, 3, kKeep, 0));
}

static void duplicates_shared_memory(void) {
  char *m = shared_at(fresh_place(), 2, kRw), *to = fresh_place();
  write_pages(m, 2);
  result("length 0", sys5(__NR_mremap, m, 0, 2 * PAGE, kMayMove | kFixed, to) == (long)to);
  to[0] = 77;
  result("one memory", m[0]);
  two_ranges("same frames", m, to, 2);
  char* own = private_at(fresh_place(), 1, kRw);
  result("length 0 of private memory", sys5(__NR_mremap, own, 0, PAGE, kMayMove | kFixed, to + 8 * PAGE));
}

static void several_areas(void) {
  char *m = private_at(fresh_place(), 6, kRw), *to = fresh_place();
  write_pages(m, 6);
  MUST(sys3(__NR_mprotect, m + 2 * PAGE, 2 * PAGE, kRead));
  maps("three areas", m, 6);
  result("a pure move", move(m, 6, 6, kMayMove | kFixed, to) == (long)to ? 0 : 1);
  maps("target", to, 6);
  maps("source", m, 6);
  result("contents", to[5 * PAGE]);
  result("growing over several", move(to, 6, 7, kMayMove, 0));
}

static void several_areas_with_holes(void) {
  char *m = private_at(fresh_place(), 6, kRw), *to = fresh_place();
  write_pages(m, 6);
  MUST(sys2(__NR_munmap, m + 2 * PAGE, PAGE));
  result("moved", move(m, 6, 6, kMayMove | kFixed, to) == (long)to);
  maps("target", to, 6);
  char* hole = fresh_place();
  private_at(hole + PAGE, 1, kRw);
  result("starting in a hole", move(hole, 2, 2, kMayMove | kFixed, to + 16 * PAGE));
}

static void mappings_of_files_move(void) {
  int fd = numbered_file(4);
  char *m = file_at(fresh_place(), 4, kRw, MAP_PRIVATE, fd, 0), *to = fresh_place();
  m[PAGE] = 'x';
  read_pages(m, 4);
  result("moved", move(m, 4, 4, kMayMove | kFixed, to) == (long)to);
  mark();
  hash("contents", to, 4 * PAGE);
  tell("none");
  maps("offset kept", to + 2 * PAGE, 1);
}

static void refused(void) {
  char *m = private_at(fresh_place(), 4, kRw), *to = fresh_place();
  result("unaligned", move(m + 1, 1, 1, kMayMove, 0));
  result("to nothing", move(m, 4, 0, kMayMove, 0));
  result("unknown flag", move(m, 4, 4, 8, 0));
  result("fixed, not moving", move(m, 4, 4, kFixed, to));
  result("onto itself", move(m, 4, 4, kMayMove | kFixed, m + PAGE));
  result("unaligned target", move(m, 4, 4, kMayMove | kFixed, to + 1));
  result("a hole", move(m + 8 * PAGE, 1, 1, kMayMove, 0));
  result("beyond the end of the area", move(m, 5, 6, kMayMove, 0));
  result("target beyond the end", move(m, 4, 4, kMayMove | kFixed, (char*)0x7ffffffff000));
  result("wraps", sys5(__NR_mremap, m, 4 * PAGE, -PAGE, kMayMove, 0));
}

static void locked_memory_moves(void) {
  char *m = private_at(fresh_place(), 2, kRw), *to = fresh_place();
  MUST(sys2(__NR_mlock, m, 2 * PAGE));
  s64 locked = status("VmLck:");
  result("moved", move(m, 2, 2, kMayMove | kFixed, to) == (long)to);
  status_since("VmLck:", locked);
  mark();
  result("grown", move(to, 2, 4, kMayMove, 0) == (long)to);
  tell("two came in");
  status_since("VmLck:", locked);
}

static void across_tables(void) {
  char *m = private_at(fresh_place() + 510 * PAGE, 4, kRw), *to = fresh_place() + 509 * PAGE;
  write_pages(m, 4);
  result("moved", move(m, 4, 4, kMayMove | kFixed, to) == (long)to);
  mark();
  read_pages(to, 4);
  tell("none");
  pages("all there", to, 4);
}

static void a_whole_table(void) {
  char *m = private_at(fresh_place(), 512, kRw), *to = fresh_place();
  write_pages(m, 512);
  result("moved", move(m, 512, 512, kMayMove | kFixed, to) == (long)to);
  mark();
  hash("contents", to, 16 * PAGE);
  read_pages(to, 512);
  tell("none");
}

const struct known_case cases[] = {
    {"moves_without_faults", moves_without_faults},
    {"grows_in_place", grows_in_place},
    {"shrinks", shrinks},
    {"replaces_the_target", replaces_the_target},
    {"splits_the_source", splits_the_source},
    {"keeps_an_empty_source", keeps_an_empty_source},
    {"duplicates_shared_memory", duplicates_shared_memory},
    {"several_areas", several_areas},
    {"several_areas_with_holes", several_areas_with_holes},
    {"mappings_of_files_move", mappings_of_files_move},
    {"refused", refused},
    {"locked_memory_moves", locked_memory_moves},
    {"across_tables", across_tables},
    {"a_whole_table", a_whole_table},
    {0, 0},
};
