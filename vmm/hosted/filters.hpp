// The seccomp filters of the stub's two threads.
#pragma once

#include "vmm/hosted/stub_area.hpp"

namespace faultline::vmm::hosted {

// Puts both filters for a stub at `place` into the data page, with pointers as the stub sees them.
//   guest thread: rt_sigreturn and the futex calls of the handler, made from the stub's code page.
//     Everything else becomes SIGSYS before it executes: a system call of the guest.
//   helper thread: read, write, futex, the mapping calls and exit_group from the same page;
//     anything else kills the stub.
void write_filters(StubData& data, StubPlace place);

}  // namespace faultline::vmm::hosted
