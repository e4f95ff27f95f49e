// Children of a case. The parent waits for them, so that what both print has one order.
#pragma once

#include "guest/programs/fidelity/cases.h"

// Runs `child` in a forked process and waits for it; prints how it ended, as wait4 tells it.
void in_a_child(const char* what, void (*child)(void));
long fork_now(void);
// Prints the status of a child that has ended.
void wait_for(const char* what, long child);
// In a child: prints what is in the buffer and ends.
_Noreturn void done(int status);
