// Files in the folder given as the argument: buffered and plain I/O, seeking, truncating, a mapping
// of one, directories, descriptors, errors.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static void check(int good, const char* what) {
  if (good) return;
  printf("%s: %s\n", what, strerror(errno));
  exit(1);
}

static void buffered(void) {
  FILE* file = fopen("lines", "w+");
  check(file != NULL, "lines");
  for (int i = 0; i < 5000; ++i) fprintf(file, "line %d of the file, %g\n", i, i / 8.0);
  fseek(file, 100, SEEK_SET);
  char text[80];
  for (int i = 0; i < 3 && fgets(text, sizeof text, file); ++i) fputs(text, stdout);
  printf("at %ld\n", ftell(file));
  fclose(file);
}

static void plain(void) {
  int fd = open("data", O_RDWR | O_CREAT | O_EXCL, 0640);
  check(fd >= 0, "data");
  struct iovec pieces[] = {{"one ", 4}, {"two ", 4}, {"three\n", 6}};
  printf("writev %zd\n", writev(fd, pieces, 3));
  printf("pwrite %zd\n", pwrite(fd, "end", 3, 9000));
  printf("seek %lld\n", (long long)lseek(fd, -3, SEEK_END));
  char text[16] = "";
  printf("read %zd", read(fd, text, sizeof text));
  printf(" %s\n", text);
  struct stat about;
  check(fstat(fd, &about) == 0, "fstat");
  printf("size %lld mode %o links %lu\n", (long long)about.st_size, about.st_mode, (unsigned long)about.st_nlink);
  check(ftruncate(fd, 5000) == 0, "ftruncate");
  int copy = dup(fd);
  printf("shared position %lld\n", (long long)lseek(copy, 0, SEEK_CUR));
  close(copy);
  close(fd);
}

static void mapped(void) {
  int fd = open("data", O_RDWR);
  check(fd >= 0, "data");
  char* map = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  check(map != MAP_FAILED, "mmap");
  printf("mapped: %.8s\n", map);
  memcpy(map + 4, "TWO", 3);
  map[4999] = '!';
  check(msync(map, 8192, MS_SYNC) == 0, "msync");
  munmap(map, 8192);
  char text[12] = "";
  printf("read back %zd %.8s\n", pread(fd, text, 8, 0), text);
  close(fd);
}

static void folders(void) {
  check(mkdir("folder", 0755) == 0, "mkdir");
  fclose(fopen("folder/b", "w"));
  fclose(fopen("folder/a", "w"));
  struct dirent** entries;
  int count = scandir("folder", &entries, NULL, alphasort);
  for (int i = 0; i < count; ++i) printf("entry %s\n", entries[i]->d_name);
  check(rename("folder/a", "folder/c") == 0, "rename");
  printf("access %d %d\n", access("folder/a", F_OK), access("folder/c", R_OK));
  printf("rmdir of a full one: %s\n", rmdir("folder") == 0 ? "done" : strerror(errno));
  unlink("folder/b");
  unlink("folder/c");
  check(rmdir("folder") == 0, "rmdir");
}

static void errors(void) {
  printf("missing: %s\n", open("missing", O_RDONLY) < 0 ? strerror(errno) : "?");
  printf("folder for writing: %s\n", open(".", O_WRONLY) < 0 ? strerror(errno) : "?");
  printf("through a file: %s\n", open("data/x", O_RDONLY) < 0 ? strerror(errno) : "?");
  printf("closed descriptor: %s\n", write(200, "x", 1) < 0 ? strerror(errno) : "?");
  printf("not a terminal: %d\n", isatty(open("data", O_RDONLY)));
}

static void pipes(void) {
  int ends[2];
  check(pipe(ends) == 0, "pipe");
  char text[32] = "";
  printf("into the pipe %zd\n", write(ends[1], "through the pipe", 16));
  printf("out of it %zd\n", read(ends[0], text, 7));
  close(ends[1]);
  printf("rest %zd\n", read(ends[0], text, sizeof text));
  printf("then %zd\n", read(ends[0], text, sizeof text));
}

int main(int argc, char** argv) {
  check(argc == 2 && chdir(argv[1]) == 0, "folder");
  buffered();
  plain();
  mapped();
  folders();
  errors();
  pipes();
  char here[4096];
  check(getcwd(here, sizeof here) != NULL, "getcwd");
  printf("in the folder: %d\n", strcmp(here, argv[1]));
  unlink("lines");
  unlink("data");
  return 0;
}
