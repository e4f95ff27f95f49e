#include "guest/programs/fidelity/look.h"

enum { kMaxPages = 1024, kSmapsLines = 26 };

static char buffer[48 * 1024];
static u64 entries[kMaxPages];
static u64 frames_seen[kMaxPages];
static u64 frames_used;

void warm_look(void) {
  for (u64 i = 0; i < sizeof buffer; i += PAGE) ((volatile char*)buffer)[i] = 0;
  entries[0] = frames_seen[0] = 1;
}

static long read_file(const char* path) {
  int fd = (int)MUST(sys3(__NR_open, path, O_RDONLY, 0));
  u64 used = 0;
  for (long n; (n = MUST(sys3(__NR_read, fd, buffer + used, sizeof buffer - 1 - used))) > 0;) used += (u64)n;
  sys1(__NR_close, fd);
  buffer[used] = 0;
  return (long)used;
}

static const char* skip_line(const char* at) {
  while (*at && *at != '\n') ++at;
  return *at ? at + 1 : at;
}

static int starts(const char* at, const char* with) {
  while (*with && *at == *with) ++at, ++with;
  return !*with;
}

static u64 number(const char** at, u64 base) {
  u64 value = 0;
  for (;; ++*at) {
    char c = **at;
    if (c >= '0' && c <= '9')
      value = value * base + (u64)(c - '0');
    else if (base == 16 && c >= 'a' && c <= 'f')
      value = value * 16 + (u64)(c - 'a' + 10);
    else
      return value;
  }
}

static void put_frame(u64 frame) {
  u64 i = 0;
  while (i < frames_used && frames_seen[i] != frame) ++i;
  if (i == frames_used) frames_seen[frames_used++] = frame;
  if (i < 26) {
    char letter[2] = {(char)('A' + i), 0};
    text(letter);
  } else {
    dec((s64)i);
  }
}

static void put_entry(u64 entry) {
  static const struct {
    int bit;
    const char* letter;
  } names[] = {{63, "p"}, {62, "s"}, {61, "f"}, {56, "x"}, {58, "g"}, {57, "w"}};
  text(" ");
  if (entry == 0) text("-");
  for (u64 i = 0; i < sizeof names / sizeof names[0]; ++i)
    if (entry >> names[i].bit & 1) text(names[i].letter);
  if (entry >> 63) put_frame(entry & ((1UL << 55) - 1));
}

static void put_range(const void* memory, u64 count) {
  int fd = (int)MUST(sys3(__NR_open, "/proc/self/pagemap", O_RDONLY, 0));
  long got = MUST(sys4(__NR_pread64, fd, entries, count * 8, (u64)memory / PAGE * 8));
  sys1(__NR_close, fd);
  for (long i = 0; i < got / 8; ++i) put_entry(entries[i]);
}

void pages(const char* what, const void* memory, u64 count) {
  frames_used = 0;
  text(what);
  text(":");
  put_range(memory, count);
  text("\n");
}

void two_ranges(const char* what, const void* a, const void* b, u64 count) {
  frames_used = 0;
  text(what);
  text(":");
  put_range(a, count);
  text(" |");
  put_range(b, count);
  text("\n");
}

static void put_offset(u64 address, u64 from) { dec((s64)(address - from) / (s64)PAGE); }

void maps(const char* what, const void* from, u64 page_count) {
  read_file("/proc/self/maps");
  text(what);
  text(":");
  for (const char* at = buffer; *at; at = skip_line(at)) {
    const char* p = at;
    u64 start = number(&p, 16);
    ++p;
    u64 end = number(&p, 16);
    if (end <= (u64)from || start >= (u64)from + page_count * PAGE) continue;
    text(" ");
    put_offset(start, (u64)from);
    text("..");
    put_offset(end, (u64)from);
    char rights[6] = {' ', p[1], p[2], p[3], p[4], 0};
    text(rights);
    p += 6;
    u64 offset = number(&p, 16) / PAGE;
    if (offset != 0) {
      text("+");
      dec((s64)offset);
    }
  }
  text("\n");
}

s64 status(const char* field) {
  read_file("/proc/self/status");
  for (const char* at = buffer; *at; at = skip_line(at)) {
    if (!starts(at, field)) continue;
    while (*at && (*at < '0' || *at > '9')) ++at;
    return (s64)number(&at, 10);
  }
  return -1;
}

void status_since(const char* field, s64 before) {
  s64 now = status(field);
  text(field);
  text(now < 0 ? " none" : " ");
  if (now >= 0) dec(now - before);
  text("\n");
}

static void put_line(const char* at) {
  for (; *at && *at != '\n'; ++at) {
    char c[2] = {*at, 0};
    if (*at != ' ' || at[1] != ' ') text(c);
  }
  text("\n");
}

void smaps(const char* what, const void* start) {
  // Referenced follows the processor's accessed bits, which others clear.
  static const char* const left_out[] = {"Referenced:", "KernelPageSize:", "MMUPageSize:", "THPeligible:"};
  read_file("/proc/self/smaps");
  const char* at = buffer;
  for (; *at; at = skip_line(at)) {
    const char* p = at;
    if (number(&p, 16) == (u64)start && *p == '-') break;
  }
  text(what);
  text(*at ? ":\n" : ": no such mapping\n");
  if (!*at) return;
  for (at = skip_line(at); *at >= 'A' && *at <= 'Z'; at = skip_line(at)) {
    int wanted = 1;
    for (u64 i = 0; i < sizeof left_out / sizeof left_out[0]; ++i) wanted &= !starts(at, left_out[i]);
    if (wanted) put_line(at);
  }
}

void resident(const char* what, const void* memory, u64 count) {
  static unsigned char vector[kMaxPages];
  long error = sys3(__NR_mincore, memory, count * PAGE, vector);
  text(what);
  text(": ");
  if (error != 0) dec(error);
  for (u64 i = 0; error == 0 && i < count; ++i) dec(vector[i] & 1);
  text("\n");
}

void hash(const char* what, const void* memory, u64 bytes) {
  u64 value = 14695981039346656037UL;
  for (u64 i = 0; i < bytes; ++i) value = (value ^ ((const u8*)memory)[i]) * 1099511628211UL;
  text(what);
  text(": ");
  hex(value);
  text("\n");
}

int disk_file(u64 page_count) {
  static char page[PAGE];
  static const char name[] = "fidelity.data";
  int fd = (int)MUST(sys3(__NR_open, name, O_RDWR | O_CREAT | O_TRUNC, 0600));
  MUST(sys1(__NR_unlink, name));
  for (u64 i = 0; i < page_count; ++i) {
    for (u64 b = 0; b < PAGE; ++b) page[b] = (char)('a' + i % 26);
    MUST(sys4(__NR_pwrite64, fd, page, PAGE, i * PAGE));
  }
  return fd;
}
