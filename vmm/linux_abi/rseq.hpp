// Restartable sequences, for one CPU: registration, and the abort of a critical section that
// a signal interrupts (Linux kernel/rseq.c).
#pragma once

#include <cstdint>

#include "vmm/linux_abi/syscall.hpp"

namespace faultline::vmm::linux_abi {

class Task;

// rseq(2): rseq, length, flags, signature.
SyscallValue sys_rseq(Task& task, const SyscallArgs& args);
// Before a signal frame is built: an instruction pointer inside a critical section goes to
// its abort address. A descriptor that makes no sense is a SIGSEGV.
void abort_rseq_section(Task& task);

}  // namespace faultline::vmm::linux_abi
