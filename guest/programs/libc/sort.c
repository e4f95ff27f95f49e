// Allocates, sorts and prints: many small blocks, a few large ones, qsort, printf of integers and doubles.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct item {
  uint32_t key;
  char* name;
};

static uint64_t state = 42;

static uint32_t next(void) {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(state >> 33);
}

static int by_key(const void* a, const void* b) {
  const struct item *x = a, *y = b;
  if (x->key != y->key) return x->key < y->key ? -1 : 1;
  return strcmp(x->name, y->name);
}

static int by_value(const void* a, const void* b) {
  double x = *(const double*)a, y = *(const double*)b;
  return (x > y) - (x < y);
}

static void small_blocks(size_t count) {
  struct item* items = calloc(count, sizeof *items);
  for (size_t i = 0; i < count; ++i) {
    items[i].key = next() % 5000;
    items[i].name = malloc(16 + next() % 200);
    sprintf(items[i].name, "item-%u-%zu", items[i].key, i);
  }
  qsort(items, count, sizeof *items, by_key);
  for (size_t i = 0; i < count; i += count / 10) printf("%u %s\n", items[i].key, items[i].name);
  for (size_t i = 0; i < count; i += 2) free(items[i].name);
  for (size_t i = 0; i < count; i += 2) items[i].name = strdup("again");
  size_t length = 0;
  for (size_t i = 0; i < count; ++i) length += strlen(items[i].name);
  printf("total length %zu\n", length);
  for (size_t i = 0; i < count; ++i) free(items[i].name);
  free(items);
}

static void large_blocks(size_t count) {
  double* values = malloc(count * sizeof *values);
  for (size_t i = 0; i < count; ++i) values[i] = next() / 1e6 - 1000;
  qsort(values, count, sizeof *values, by_value);
  double sum = 0;
  for (size_t i = 0; i < count; ++i) sum += values[i] * values[i];
  printf("min %.6f median %.9g max %e sum of squares %.12g\n", values[0], values[count / 2], values[count - 1], sum);
  values = realloc(values, 2 * count * sizeof *values);
  memcpy(values + count, values, count * sizeof *values);
  printf("grown: %.3f %a\n", values[2 * count - 1], values[count + 7]);
  values = realloc(values, 16 * sizeof *values);
  printf("shrunk: %.3f\n", values[15]);
  free(values);
}

int main(void) {
  small_blocks(20000);
  large_blocks(300000);
  for (size_t size = 1; size < (64u << 20); size *= 7) {
    unsigned char* block = calloc(1, size);
    size_t nonzero = 0;
    for (size_t i = 0; i < size; i += 512) nonzero += block[i] != 0;
    printf("block of %zu: %zu\n", size, nonzero);
    memset(block, 0xa5, size);
    free(block);
  }
  return 0;
}
