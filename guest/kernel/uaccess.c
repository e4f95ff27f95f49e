// Copies to and from user memory that end early, and how far they got.
#include "kernel.h"

static char buffer[3 * PAGE];

static long pointers(void) {
  long failed = 0, value = 77;
  long* good = user_pages(1, PROT_READ | PROT_WRITE);
  failed += expect("put_user ", put_user(42, good), 0);
  failed += expect("get_user ", get_user(&value, good), 0);
  failed += expect("the value ", value, 42);
  failed += expect("get_user of a bad pointer ", get_user(&value, (long*)0x1000), -EFAULT);
  failed += expect("its value ", value, 0);
  failed += expect("put_user to a bad pointer ", put_user(1, (long*)0x10), -EFAULT);
  failed += expect("not canonical ", get_user(&value, (long*)0x8000000000000000), -EFAULT);
  failed += expect("a hole of the kernel half ", get_user(&value, (long*)0xffffea0000000000), -EFAULT);
  host(FL_CALL_MPROTECT, (long)good, PAGE, PROT_READ);
  failed += expect("put_user to a read-only page ", put_user(1, good), -EFAULT);
  return failed;
}

// Two pages of which the second ends: every byte before the end is copied, none behind it.
static long across_the_end(void) {
  static const long kBytes[] = {1, 7, 8, 9, 64, 100};
  long failed = 0;
  char* pages = user_pages(2, PROT_READ | PROT_WRITE);
  host(FL_CALL_MUNMAP, (long)(pages + PAGE), PAGE, 0);
  for (u64 i = 0; i < sizeof kBytes / sizeof kBytes[0]; ++i) {
    for (long before = 0; before < 12; before += 3) {
      char* at = pages + PAGE - before;
      const long left = kBytes[i] > before ? kBytes[i] - before : 0;
      failed += expect("copy_to_user leaves ", copy_to_user(at, buffer, kBytes[i]), left);
      failed += expect("copy_from_user leaves ", copy_from_user(buffer, at, kBytes[i]), left);
    }
  }
  buffer[5] = 'x';
  failed += expect("a whole page ", copy_to_user(pages, buffer, PAGE), 0);
  failed += expect("all but a page ", copy_from_user(buffer + PAGE, pages, 2 * PAGE), PAGE);
  failed += expect("what was copied ", buffer[PAGE + 5], 'x');
  return failed;
}

// With faults disabled nothing is faulted in: straight to the fixup.
static long disabled(void) {
  long failed = 0, value = 0;
  long* fresh = user_pages(1, PROT_READ | PROT_WRITE);
  task.pagefault_disabled = 1;
  failed += expect("pagefault_disable ", get_user(&value, fresh), -EFAULT);
  task.pagefault_disabled = 0;
  task.preempt_count = 1;
  failed += expect("in_atomic ", get_user(&value, fresh), -EFAULT);
  task.preempt_count = 0;
  failed += expect("enabled ", get_user(&value, fresh), 0);
  task.pagefault_disabled = 1;
  failed += expect("disabled, but the page is there ", get_user(&value, fresh), 0);
  task.pagefault_disabled = 0;
  return failed;
}

// SIGSEGV on behalf of a system call, and the lock held where there is a fixup.
static long signals(void) {
  long failed = 0, value = 0;
  failed += expect("no signal ", count(FL_COUNT_SIGNAL), 0);
  task.signal_on_fixup = 1;
  failed += expect("get_user ", get_user(&value, (long*)0x1000), -EFAULT);
  failed += expect("SIGSEGV, SEGV_MAPERR ", count(FL_COUNT_SIGNAL), 11 << 8 | 1);
  task.signal_on_fixup = 0;
  task.mmap_locked = 1;
  failed += expect("with a fixup the lock is waited for ", put_user(3, user_pages(1, PROT_READ | PROT_WRITE)), 0);
  task.mmap_locked = 0;
  return failed;
}

long program(void) {
  const long failed = pointers() + across_the_end() + disabled() + signals();
  print_number("failed: ", failed);
  return failed;
}
