// Every kind of bad access from user mode, with what the signal says about it: signal, code, trap
// number, error code, address and CR2.
#include "guest/programs/rt.h"

static char* hole;

static void nothing_mapped(void) {
  report("read of a hole", probe_load(hole), hole);
  report("8-byte read of a hole", probe_load8(hole + 8), hole);
  report("write to a hole", probe_store(hole + 0x123), hole);
  report("call of a hole", probe_call(hole + 0x10), hole);
  report("lock inc of a hole", probe_lock_inc(hole + 4), hole);
  report("clflush of a hole", probe_clflush(hole + 64), hole);
  report("prefetch of a hole", probe_prefetch(hole), hole);
  report("rep stosb into a hole", probe_fill(hole + 1, 16), hole);
}

static void none(void) {
  char* page = (char*)MUST(sysmmap(0, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  report("read of PROT_NONE", probe_load(page), page);
  report("write to PROT_NONE", probe_store(page), page);
  report("call of PROT_NONE", probe_call(page), page);
  page = anonymous(1);
  *page = 1;
  MUST(sys3(__NR_mprotect, page, PAGE, PROT_NONE));
  report("read of touched PROT_NONE", probe_load(page + 5), page);
  report("write to touched PROT_NONE", probe_store(page + 5), page);
}

static void read_only(void) {
  char* page = (char*)MUST(sysmmap(0, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  report("write to absent read-only", probe_store(page + 1), page);
  report("read of read-only", probe_load(page), page);
  report("write to present read-only", probe_store(page + 1), page);
  report("lock inc of read-only", probe_lock_inc(page + 8), page);
  char* data = anonymous(1);
  report("call of absent data", probe_call(data), data);
  report("write to data", probe_store(data), data);
  report("call of present data", probe_call(data), data);
}

static void straddling(void) {
  char* pages = anonymous(2);
  pages[0] = 1;
  MUST(sys2(__NR_munmap, pages + PAGE, PAGE));
  report("read across the end", probe_load8(pages + PAGE - 4), pages);
  report("write across the end", probe_store8(pages + PAGE - 1), pages);
  report("read up to the end", probe_load8(pages + PAGE - 8), pages);
}

static void odd_permissions(void) {
  char* page = (char*)MUST(sysmmap(0, PAGE, PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  report("read of PROT_WRITE alone", probe_load(page), page);
  report("write to PROT_WRITE alone", probe_store(page), page);
  page = (char*)MUST(sysmmap(0, PAGE, PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  report("read of PROT_EXEC alone", probe_load(page), page);
  report("write to PROT_EXEC alone", probe_store(page), page);
  page = anonymous(1);
  for (int i = 0; i < 6; ++i) page[i] = probe_code[i];
  MUST(sys3(__NR_mprotect, page, PAGE, PROT_READ | PROT_EXEC));
  report("call of code made executable", probe_call(page), page);
}

static void far_away(void) {
  report("read of address 0", probe_load((void*)0), 0);
  report("read of the kernel half", probe_load((void*)0xffff888000000000), 0);
  report("write to the kernel half", probe_store((void*)0xffffffff81000000), 0);
  report("read of the last user page", probe_load((void*)0x7ffffffff000), 0);
  report("read of a non-canonical address", probe_load((void*)0x8000000000001000), 0);
  report("write to a non-canonical address", probe_store((void*)0x7000000000000000), 0);
}

static void files(void) {
  int fd = numbered_file(1);
  char* file = (char*)MUST(sysmmap(0, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0));
  report("read in the file", probe_load(file), file);
  report("read past the end of the file", probe_load(file + PAGE + 7), file);
  report("write past the end of the file", probe_store(file + 2 * PAGE), file);
  char* shared = (char*)MUST(sysmmap(0, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
  report("shared read past the end", probe_load(shared + PAGE), shared);
  report("shared write past the end", probe_store(shared + PAGE), shared);
  report("shared write in the file", probe_store(shared + 9), shared);
  MUST(sys2(__NR_ftruncate, fd, 0));
  report("read of the file cut short", probe_load(shared), shared);
  report("private read of the file cut short", probe_load(file), file);
}

static void not_memory(void) {
  report("divide by zero", probe_divide(), 0);
  report("ud2", probe_ud2(), 0);
  report("hlt", probe_hlt(), 0);
}

int run(int argc, char** argv) {
  (void)argc;
  (void)argv;
  hole = anonymous(4);
  MUST(sys2(__NR_munmap, hole, 4 * PAGE));
  // Far enough below for no later mapping to land in it.
  hole -= 1024 * PAGE;
  catch_faults();
  nothing_mapped();
  none();
  read_only();
  straddling();
  odd_permissions();
  far_away();
  files();
  not_memory();
  return 0;
}
