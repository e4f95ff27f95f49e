// The system calls by family; each table is ascending by number within its file only.
#pragma once

#include <span>

#include "vmm/linux_abi/syscall.hpp"

namespace faultline::vmm::linux_abi {

std::span<const SyscallEntry> memory_syscalls();
std::span<const SyscallEntry> io_syscalls();
std::span<const SyscallEntry> open_syscalls();
std::span<const SyscallEntry> descriptor_syscalls();
std::span<const SyscallEntry> stat_syscalls();
std::span<const SyscallEntry> directory_syscalls();
std::span<const SyscallEntry> attribute_syscalls();
std::span<const SyscallEntry> size_syscalls();
std::span<const SyscallEntry> copy_syscalls();
std::span<const SyscallEntry> poll_syscalls();
std::span<const SyscallEntry> process_syscalls();
std::span<const SyscallEntry> clone_syscalls();
std::span<const SyscallEntry> exec_syscalls();
std::span<const SyscallEntry> wait_syscalls();
std::span<const SyscallEntry> group_syscalls();
std::span<const SyscallEntry> kill_syscalls();
std::span<const SyscallEntry> timer_syscalls();
std::span<const SyscallEntry> limit_syscalls();
std::span<const SyscallEntry> time_syscalls();
std::span<const SyscallEntry> system_syscalls();
std::span<const SyscallEntry> futex_syscalls();
std::span<const SyscallEntry> signal_syscalls();

}  // namespace faultline::vmm::linux_abi
