// A fidelity program is a handful of named cases. `program` lists them, `program CASE` runs one. What a case prints,
// the faults it counts and the faults themselves are judged against the real kernel (tests/fidelity).
#pragma once

#include "guest/programs/fidelity/look.h"
#include "guest/programs/rt.h"

struct known_case {
  const char* name;
  void (*run)(void);
};

// Ends with a null name.
extern const struct known_case cases[];

enum { kRead = PROT_READ, kRw = PROT_READ | PROT_WRITE, kPrivate = MAP_PRIVATE | MAP_ANONYMOUS };

// Memory at a place of its own (fresh_place), so that counts do not depend on what else is mapped.
char* private_at(char* place, u64 pages, int prot);
char* shared_at(char* place, u64 pages, int prot);
char* file_at(char* place, u64 pages, int prot, int flags, int fd, u64 first_page);

void read_pages(char* memory, u64 pages);
void write_pages(char* memory, u64 pages);

// Prints `what: minor N major N` for the faults that happened since the last mark or tell. Both cost none.
void mark(void);
void tell(const char* what);
// Prints `what: ` and the result of a system call: 0 and what is above as it is, errors as -N.
void result(const char* what, long value);
