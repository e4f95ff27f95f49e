// madvise, mincore, mlock: contents and answers.
#include "guest/programs/rt.h"

static void resident(const char* what, char* memory, int pages) {
  u8 vector[16];
  long result = sys3(__NR_mincore, memory, pages * PAGE, vector);
  text(what);
  if (result < 0) {
    text(": ");
    dec(result);
  }
  for (int i = 0; result == 0 && i < pages; ++i) text(vector[i] & 1 ? " 1" : " 0");
  text("\n");
}

int run(int argc, char** argv) {
  (void)argc;
  (void)argv;
  char* memory = anonymous(8);
  resident("untouched", memory, 8);
  memory[PAGE] = 1;
  memory[4 * PAGE] = 4;
  resident("two written", memory, 8);
  line("dontneed", sys3(__NR_madvise, memory + PAGE, PAGE, MADV_DONTNEED));
  resident("after it", memory, 8);
  line("byte dropped", memory[PAGE]);
  line("byte kept", memory[4 * PAGE]);
  line("populate", sys3(__NR_madvise, memory, 8 * PAGE, MADV_POPULATE_WRITE));
  resident("populated", memory, 8);
  line("byte kept", memory[4 * PAGE]);
  line("normal", sys3(__NR_madvise, memory, PAGE, MADV_NORMAL));
  line("willneed", sys3(__NR_madvise, memory, PAGE, MADV_WILLNEED));
  line("unknown", sys3(__NR_madvise, memory, PAGE, 9999));
  line("unaligned", sys3(__NR_madvise, memory + 1, PAGE, MADV_DONTNEED));
  MUST(sys2(__NR_munmap, memory + 3 * PAGE, PAGE));
  line("across a hole", sys3(__NR_madvise, memory, 8 * PAGE, MADV_DONTNEED));
  line("but done after it", memory[4 * PAGE]);
  resident("mincore of a hole", memory, 8);
  line("mlock across a hole", sys2(__NR_mlock, memory, 8 * PAGE));
  line("mlock", sys2(__NR_mlock, memory, 3 * PAGE));
  resident("locked", memory, 3);
  line("munlock", sys2(__NR_munlock, memory, 3 * PAGE));

  int fd = numbered_file(4);
  char* file = (char*)MUST(sysmmap(0, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0));
  file[0] = 'X';
  line("private file page dropped", sys3(__NR_madvise, file, PAGE, MADV_DONTNEED));
  line("reads the file again", file[0]);
  return 0;
}
