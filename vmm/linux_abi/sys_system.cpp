// What the system is: uname, sysinfo, randomness.
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

#include <algorithm>
#include <array>

#include "vmm/linux_abi/families.hpp"
#include "vmm/linux_abi/process_table.hpp"
#include "vmm/linux_abi/support.hpp"

namespace faultline::vmm::linux_abi {
namespace {

SyscallValue sys_uname(Task& task, const SyscallArgs& args) {
  utsname name{};
  static_assert(sizeof name == 6 * 65);  // struct new_utsname
  if (::uname(&name) != 0) return sys_error(errno);
  return put(task, args.gva(0), name);
}

// Memory is the guest's, the rest is the host's.
SyscallValue sys_sysinfo(Task& task, const SyscallArgs& args) {
  struct sysinfo info {};
  static_assert(sizeof info == 112);
  if (::sysinfo(&info) != 0) return sys_error(errno);
  info.mem_unit = 1;
  info.totalram = task.config().memory_bytes;
  info.freeram = task.mm().frames().free_frames() * kPageSize;
  info.sharedram = info.bufferram = info.totalswap = info.freeswap = info.totalhigh = info.freehigh = 0;
  info.procs = static_cast<unsigned short>(std::min<std::size_t>(task.processes().living(), 65535));
  return put(task, args.gva(0), info);
}

SyscallValue sys_getrandom(Task& task, const SyscallArgs& args) {
  constexpr std::uint32_t kKnown = GRND_NONBLOCK | GRND_RANDOM | 4;  // GRND_INSECURE
  if ((args.u32(2) & ~kKnown) != 0) return sys_error(EINVAL);
  constexpr std::uint64_t kMaxBytes = 0x7fffffff;
  const std::uint64_t want = std::min(args[1], kMaxBytes);
  std::array<std::byte, 4096> chunk{};
  std::uint64_t filled = 0;
  while (filled < want) {
    const ssize_t n = ::getrandom(chunk.data(), std::min<std::uint64_t>(chunk.size(), want - filled), args.u32(2));
    if (n < 0) return filled > 0 ? SyscallValue(filled) : host_result(n);
    const auto bytes = std::span(chunk).first(static_cast<std::size_t>(n));
    const std::uint64_t missed = mmu::copy_to_user(task.mm(), Gva(args[0] + filled), bytes);
    filled += bytes.size() - missed;
    if (missed != 0) return filled > 0 ? SyscallValue(filled) : SyscallValue(sys_error(EFAULT));
  }
  return filled;
}

SyscallValue sys_umask(Task& task, const SyscallArgs& args) {
  const std::uint32_t before = task.file_system().umask;
  task.file_system().umask = args.u32(0) & 0777;
  return before;
}

SyscallValue sys_sync(Task& task, const SyscallArgs&) {
  // sync(2) has no way to fail; what could not be written stays dirty.
  static_cast<void>(task.coherence().write_back_all());
  return 0;
}

}  // namespace

std::span<const SyscallEntry> system_syscalls() {
  static constexpr SyscallEntry kEntries[] = {
      {SYS_uname, sys_uname}, {SYS_umask, sys_umask},         {SYS_sysinfo, sys_sysinfo},
      {SYS_sync, sys_sync},   {SYS_getrandom, sys_getrandom},
  };
  return kEntries;
}

}  // namespace faultline::vmm::linux_abi
