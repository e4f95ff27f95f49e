// One line a system call, in the manner of strace.
#pragma once

#include <optional>
#include <string>

#include "vmm/linux_abi/syscall.hpp"

namespace faultline::vmm::linux_abi {

// `openat(AT_FDCWD, "/etc/passwd", O_RDONLY) = 3`. Strings are peeked at without faulting.
std::string format_syscall(const Task& task, const SyscallRecord& record);
// The same where there is no memory to look at: strings are addresses.
std::string format_syscall(const SyscallRecord& record);
// How many arguments the call takes; nothing for one that is not known here.
std::optional<unsigned> argument_count(std::uint64_t number);
// "EFAULT"; "errno 600" for what has no name.
std::string errno_name(int error);

}  // namespace faultline::vmm::linux_abi
