// Processes: what fork copies, what exec and exit leave (section 8), and the copies it makes necessary (section 5).
#include "guest/programs/fidelity/family.h"

#include <linux/sched.h>

static char *memory, *other;

static void child_writes(void) {
  mark();
  write_pages(memory, 16);
  tell("child writes");
  pages("child", memory, 16);
}

static void private_is_copied_on_write(void) {
  memory = private_at(fresh_place(), 16, kRw);
  write_pages(memory, 16);
  in_a_child("child", child_writes);
  result("parent's own", memory[3 * PAGE]);
  mark();
  write_pages(memory, 16);
  tell("parent writes");
  pages("parent", memory, 16);
}

static void child_reads(void) {
  mark();
  read_pages(memory, 16);
  tell("child reads");
  pages("shared with the parent", memory, 16);
  hash("contents", memory, 16 * PAGE);
}

static void private_is_mapped_in_the_child(void) {
  memory = private_at(fresh_place(), 16, kRw);
  write_pages(memory, 16);
  in_a_child("child", child_reads);
  pages("alone again", memory, 16);
}

static void untouched_memory_is_not_copied(void) {
  memory = private_at(fresh_place(), 16, kRw);
  in_a_child("child", child_reads);
}

static void zero_pages_are_copied(void) {
  memory = private_at(fresh_place(), 16, kRw);
  write_pages(memory, 1);
  read_pages(memory + PAGE, 15);
  in_a_child("child", child_reads);
}

static void shared_memory_is_faulted_again(void) {
  memory = shared_at(fresh_place(), 16, kRw);
  write_pages(memory, 16);
  in_a_child("child", child_writes);
  mark();
  result("the child's", memory[3 * PAGE]);
  tell("parent");
}

static void file_pages_are_faulted_again(void) {
  memory = file_at(fresh_place(), 16, kRw, MAP_PRIVATE, numbered_file(16), 0);
  read_pages(memory, 16);
  in_a_child("child", child_reads);
}

static void copied_file_pages_are_copied(void) {
  memory = file_at(fresh_place(), 16, kRw, MAP_PRIVATE, numbered_file(16), 0);
  write_pages(memory, 4);
  in_a_child("child", child_reads);
  in_a_child("child", child_writes);
  result("parent's own", memory[2 * PAGE]);
}

static void child_waits_for_the_parent(void) {
  char byte;
  int* pipe = (int*)other;
  MUST(sys3(__NR_read, pipe[0], &byte, 1));
  pages("child's are its own", memory, 4);
  mark();
  write_pages(memory, 4);
  tell("child writes last");
}

static void parent_writes_first(void) {
  memory = private_at(fresh_place(), 4, kRw);
  other = private_at(fresh_place(), 1, kRw);
  MUST(sys1(__NR_pipe, other));
  write_pages(memory, 4);
  long child = fork_now();
  if (child == 0) {
    child_waits_for_the_parent();
    done(0);
  }
  mark();
  write_pages(memory, 4);
  tell("parent writes");
  pages("parent's copies", memory, 4);
  flush();
  MUST(sys3(__NR_write, ((int*)other)[1], "x", 1));
  wait_for("child", child);
}

static void child_has_no_area(void) {
  report("left out", probe_load(memory), memory);
  report("wiped", probe_load(memory + 2 * PAGE), memory);
  result("zero", memory[2 * PAGE]);
  result("copied", memory[4 * PAGE]);
  maps("child", memory, 6);
}

static void dontfork_and_wipeonfork(void) {
  memory = private_at(fresh_place(), 6, kRw);
  write_pages(memory, 6);
  result("DONTFORK", sys3(__NR_madvise, memory, PAGE, 10));
  result("WIPEONFORK", sys3(__NR_madvise, memory + 2 * PAGE, PAGE, 18));
  in_a_child("child", child_has_no_area);
  result("parent has it", memory[0]);
  result("and this", memory[2 * PAGE]);
  result("KEEPONFORK", sys3(__NR_madvise, memory + 2 * PAGE, PAGE, 19));
  char* shared = shared_at(fresh_place(), 1, kRw);
  result("WIPEONFORK of shared memory", sys3(__NR_madvise, shared, PAGE, 18));
}

static void grandchild(void) {
  in_a_child("grandchild", child_writes);
  mark();
  write_pages(memory, 16);
  tell("child after it");
}

static void three_generations(void) {
  memory = private_at(fresh_place(), 16, kRw);
  write_pages(memory, 16);
  in_a_child("child", grandchild);
  mark();
  write_pages(memory, 16);
  tell("parent after all");
  result("parent's own", memory[15 * PAGE]);
}

static void child_is_killed(void) {
  // The probes are caught; this one is not.
  struct {
    u64 handler, flags, restorer, mask;
  } action = {0, 0, 0, 0};
  MUST(sys4(__NR_rt_sigaction, SIGSEGV, &action, 0, 8));
  flush();
  *(volatile char*)0 = 1;
}

static void killed_by_a_fault(void) { in_a_child("child", child_is_killed); }

static void child_gets_a_signal(void) {
  report("a hole", probe_store(fresh_place()), 0);
  report("read-only", probe_store(memory), memory);
}

static void handlers_are_inherited(void) {
  memory = private_at(fresh_place(), 1, kRead);
  in_a_child("child", child_gets_a_signal);
}

static void child_locks(void) {
  result("VmLck in the child", status("VmLck:"));
  mark();
  memory[0] = 1;
  tell("written");
}

static void locks_are_not_inherited(void) {
  memory = private_at(fresh_place(), 2, kRw);
  MUST(sys2(__NR_mlock, memory, 2 * PAGE));
  s64 before = status("VmLck:");
  result("in the parent", before);
  in_a_child("child", child_locks);
  status_since("VmLck:", before);
}

static void child_counts(void) {
  struct faults now = faults_now();
  line("few of the child's own", now.minor < 64 && now.major == 0);
}

static void counters_start_anew(void) {
  write_pages(private_at(fresh_place(), 100, kRw), 100);
  in_a_child("child", child_counts);
}

static void child_protects(void) {
  MUST(sys3(__NR_mprotect, memory, 16 * PAGE, kRead));
  MUST(sys3(__NR_mprotect, memory, 16 * PAGE, kRw));
  mark();
  write_pages(memory, 16);
  tell("child writes after mprotect");
}

static void mprotect_does_not_share_pages(void) {
  memory = private_at(fresh_place(), 16, kRw);
  write_pages(memory, 16);
  in_a_child("child", child_protects);
  result("parent's own", memory[5 * PAGE]);
}

static void child_unmaps(void) {
  MUST(sys2(__NR_munmap, memory, 8 * PAGE));
  report("gone in the child", probe_load(memory), memory);
}

static void unmapping_is_ones_own(void) {
  memory = private_at(fresh_place(), 16, kRw);
  write_pages(memory, 16);
  in_a_child("child", child_unmaps);
  mark();
  write_pages(memory, 16);
  tell("parent reuses its pages");
}

// vfork: the child runs in the parent's memory, on a stack of its own here, until it exits.
static long shared_clone(u64 flags, void (*child)(void), char* stack_top) {
  long pid;
  register u64 r10 __asm__("r10") = 0;
  register u64 r8 __asm__("r8") = 0;
  register void (*entry)(void) __asm__("r12") = child;
  flush();
  __asm__ volatile(
      "syscall\n"
      "test %%rax, %%rax\n"
      "jnz 1f\n"
      "call *%%r12\n"
      "mov $60, %%eax\n"
      "mov $7, %%edi\n"
      "syscall\n"
      "1:"
      : "=a"(pid)
      : "a"((long)__NR_clone), "D"(flags), "S"(stack_top), "d"(0L), "r"(r10), "r"(r8), "r"(entry)
      : "rcx", "r11", "memory");
  return pid;
}

static void child_in_the_same_memory(void) { memory[PAGE] = 42; }

static void vfork_shares_memory(void) {
  memory = private_at(fresh_place(), 4, kRw);
  char* stack = private_at(fresh_place(), 4, kRw);
  write_pages(stack, 4);
  mark();
  long child = shared_clone(CLONE_VM | CLONE_VFORK | SIGCHLD, child_in_the_same_memory, stack + 4 * PAGE);
  result("parent sees it", memory[PAGE]);
  result("cloned", child > 0);
  wait_for("child", child);
}

static void exec_with_new_memory(void) {
  memory = private_at((char*)0x350000000000, 4, kRw);
  write_pages(memory, 4);
  static char* const words[] = {"/proc/self/exe", "after_exec", 0};
  static char* const variables[] = {"A=b", 0};
  flush();
  result("execve", sys3(__NR_execve, words[0], words, variables));
}

static void after_exec(void) {
  report("memory is gone", probe_load((char*)0x350000000000), (char*)0x350000000000);
  u64 top = (u64)sys1(__NR_brk, 0);
  result("brk starts anew", (u64)sys1(__NR_brk, top + PAGE) == top + PAGE);
  line("VmPTE small", status("VmPTE:") < 64);
}

static void child_executes(void) {
  static char* const words[] = {"/proc/self/exe", "after_exec", 0};
  static char* const variables[] = {0};
  flush();
  sys3(__NR_execve, words[0], words, variables);
  done(1);
}

static void fork_and_exec(void) {
  memory = private_at(fresh_place(), 8, kRw);
  write_pages(memory, 8);
  in_a_child("child", child_executes);
  mark();
  write_pages(memory, 8);
  tell("parent is alone with its pages");
}

static void child_tables(void) { line("VmPTE as the parent's", status("VmPTE:") > 0); }

static void tables_of_a_child(void) {
  char* m = private_at(fresh_place(), 4, kRw);
  write_pages(m, 4);
  in_a_child("child", child_tables);
  long child = fork_now();
  if (child == 0) {
    s64 before = status("VmPTE:");
    private_at(fresh_place(), 1, kRw)[0] = 1;
    status_since("VmPTE:", before);
    done(0);
  }
  wait_for("child", child);
}

const struct known_case cases[] = {
    {"private_is_copied_on_write", private_is_copied_on_write},
    {"private_is_mapped_in_the_child", private_is_mapped_in_the_child},
    {"untouched_memory_is_not_copied", untouched_memory_is_not_copied},
    {"zero_pages_are_copied", zero_pages_are_copied},
    {"shared_memory_is_faulted_again", shared_memory_is_faulted_again},
    {"file_pages_are_faulted_again", file_pages_are_faulted_again},
    {"copied_file_pages_are_copied", copied_file_pages_are_copied},
    {"parent_writes_first", parent_writes_first},
    {"dontfork_and_wipeonfork", dontfork_and_wipeonfork},
    {"three_generations", three_generations},
    {"killed_by_a_fault", killed_by_a_fault},
    {"handlers_are_inherited", handlers_are_inherited},
    {"locks_are_not_inherited", locks_are_not_inherited},
    {"counters_start_anew", counters_start_anew},
    {"mprotect_does_not_share_pages", mprotect_does_not_share_pages},
    {"unmapping_is_ones_own", unmapping_is_ones_own},
    {"vfork_shares_memory", vfork_shares_memory},
    {"exec_with_new_memory", exec_with_new_memory},
    {"after_exec", after_exec},
    {"fork_and_exec", fork_and_exec},
    {"tables_of_a_child", tables_of_a_child},
    {0, 0},
};
