// What a program can see of its own memory: /proc/self, mincore. Addresses are printed as offsets.
#pragma once

#include "guest/programs/rt.h"

// Call it first: how long a /proc file is must not decide how many faults reading it takes.
void warm_look(void);

// /proc/self/pagemap, a word a page: p present, s swapped, f file or shared, x mapped once, g guard, - none; then a
// letter for the frame: the same letter is the same frame, and letters start anew in each call.
void pages(const char* what, const void* memory, u64 count);
// The same for two ranges, with one alphabet.
void two_ranges(const char* what, const void* a, const void* b, u64 count);

// The mappings that overlap the range: start-end as offsets in pages from `from`, permissions, offset in pages.
void maps(const char* what, const void* from, u64 page_count);

// A number of /proc/self/status (kB) by its name with the colon, -1 when it has none.
s64 status(const char* field);
// Prints how far it is from what it was.
void status_since(const char* field, s64 before);

// The mapping that starts at `start`: every field of /proc/self/smaps but what depends on time or machine.
void smaps(const char* what, const void* start);

// mincore, a digit a page.
void resident(const char* what, const void* memory, u64 count);

void hash(const char* what, const void* memory, u64 bytes);

// A file on disk in the current folder, already unlinked: written a page at a time and like numbered_file.
int disk_file(u64 page_count);
