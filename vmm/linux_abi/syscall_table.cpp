#include <algorithm>
#include <array>
#include <vector>

#include "mmu/base/check.hpp"
#include "vmm/linux_abi/families.hpp"

namespace faultline::vmm::linux_abi {
namespace {

std::vector<SyscallEntry> collect() {
  std::vector<SyscallEntry> all;
  for (auto family :
       {memory_syscalls,    io_syscalls,     open_syscalls,  descriptor_syscalls, stat_syscalls,    directory_syscalls,
        attribute_syscalls, size_syscalls,   copy_syscalls,  poll_syscalls,       process_syscalls, clone_syscalls,
        exec_syscalls,      wait_syscalls,   group_syscalls, kill_syscalls,       timer_syscalls,   limit_syscalls,
        time_syscalls,      system_syscalls, futex_syscalls, signal_syscalls}) {
    const auto entries = family();
    all.insert(all.end(), entries.begin(), entries.end());
  }
  std::ranges::sort(all, {}, &SyscallEntry::number);
  const auto twice = std::ranges::adjacent_find(all, {}, &SyscallEntry::number);
  FL_CHECK(twice == all.end());
  return all;
}

}  // namespace

std::span<const SyscallEntry> served_syscalls() {
  static const std::vector<SyscallEntry> all = collect();
  return all;
}

SyscallHandler find_handler(std::uint64_t number) {
  const auto all = served_syscalls();
  const auto it = std::ranges::lower_bound(all, number, {}, &SyscallEntry::number);
  return it != all.end() && it->number == number ? it->handler : nullptr;
}

}  // namespace faultline::vmm::linux_abi
