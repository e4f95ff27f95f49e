// Reads files of /proc/self and finds figures in them. Everything is static: a program includes it.
#pragma once

#include "guest/programs/rt.h"

static char proc_bytes[65536];

// The whole file in `proc_bytes`, NUL at the end; its length, or -errno.
__attribute__((unused)) static long slurp(const char* path) {
  long fd = sys3(__NR_open, path, O_RDONLY, 0);
  if (fd < 0) return fd;
  long used = 0, n = 0;
  while ((n = sys3(__NR_read, fd, proc_bytes + used, sizeof proc_bytes - 1 - (u64)used)) > 0) used += n;
  sys1(__NR_close, fd);
  proc_bytes[used] = 0;
  return n < 0 ? n : used;
}

// What stands behind `label` where a line begins with it; null when none does.
__attribute__((unused)) static const char* behind(const char* at, const char* label) {
  while (*at) {
    const char *l = label, *p = at;
    while (*l && *l == *p) ++l, ++p;
    if (!*l) return p;
    while (*at && *at != '\n') ++at;
    if (*at) ++at;
  }
  return 0;
}

// The number there; -1 when there is no such line.
__attribute__((unused)) static s64 field(const char* at, const char* label) {
  const char* p = behind(at, label);
  if (!p) return -1;
  while (*p == ' ' || *p == '\t') ++p;
  s64 value = 0;
  while (*p >= '0' && *p <= '9') value = value * 10 + (*p++ - '0');
  return value;
}

// Prints what stands behind `label` up to the end of the line.
__attribute__((unused)) static void show_line(const char* at, const char* label) {
  const char* p = behind(at, label);
  text(label);
  if (!p) {
    text(" absent\n");
    return;
  }
  char one[2] = {0, 0};
  while (*p && *p != '\n') {
    one[0] = *p++;
    text(one);
  }
  text("\n");
}

static u64 parse_hex(const char** at) {
  u64 value = 0;
  for (;; ++*at) {
    char c = **at;
    if (c >= '0' && c <= '9')
      value = value * 16 + (u64)(c - '0');
    else if (c >= 'a' && c <= 'f')
      value = value * 16 + (u64)(c - 'a' + 10);
    else
      return value;
  }
}

// Where the record of the mapping that starts at `mapping` begins in a text of maps or smaps.
__attribute__((unused)) static const char* record_of(const char* at, const void* mapping) {
  while (*at) {
    const char* p = at;
    if (parse_hex(&p) == (u64)mapping && *p == '-') return at;
    while (*at && *at != '\n') ++at;
    if (*at) ++at;
  }
  return 0;
}
