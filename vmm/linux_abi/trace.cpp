#include "vmm/linux_abi/trace.hpp"

#include <fmt/format.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <iterator>

#include "mmu/space/uaccess.hpp"
#include "vmm/linux_abi/task.hpp"

namespace faultline::vmm::linux_abi {
namespace {

// How arguments are shown: d signed, x hex, o octal, s string, f directory descriptor.
struct Shape {
  std::uint32_t number;
  std::string_view arguments;
};
constexpr std::array kShapes = {
    Shape{SYS_clone, "xxxxx"},
    Shape{SYS_fork, ""},
    Shape{SYS_vfork, ""},
    Shape{SYS_execve, "sxx"},
    Shape{SYS_wait4, "dxxx"},
    Shape{SYS_waitid, "ddxxx"},
    Shape{SYS_clone3, "xu"},
    Shape{SYS_execveat, "fsxxx"},
    Shape{SYS_setpgid, "dd"},
    Shape{SYS_getpgid, "d"},
    Shape{SYS_getsid, "d"},
    Shape{SYS_getpgrp, ""},
    Shape{SYS_setsid, ""},
    Shape{SYS_rt_sigqueueinfo, "ddx"},
    Shape{SYS_alarm, "u"},
    Shape{SYS_getitimer, "dx"},
    Shape{SYS_setitimer, "dxx"},
    Shape{SYS_flock, "dx"},
    Shape{SYS_rt_sigsuspend, "xu"},
    Shape{SYS_read, "dxu"},
    Shape{SYS_write, "dxu"},
    Shape{SYS_open, "sxo"},
    Shape{SYS_close, "d"},
    Shape{SYS_stat, "sx"},
    Shape{SYS_fstat, "dx"},
    Shape{SYS_lstat, "sx"},
    Shape{SYS_poll, "xud"},
    Shape{SYS_lseek, "ddd"},
    Shape{SYS_mmap, "xuxxdx"},
    Shape{SYS_mprotect, "xux"},
    Shape{SYS_munmap, "xu"},
    Shape{SYS_brk, "x"},
    Shape{SYS_rt_sigaction, "dxxu"},
    Shape{SYS_rt_sigprocmask, "dxxu"},
    Shape{SYS_rt_sigreturn, ""},
    Shape{SYS_ioctl, "dxx"},
    Shape{SYS_pread64, "dxud"},
    Shape{SYS_pwrite64, "dxud"},
    Shape{SYS_readv, "dxd"},
    Shape{SYS_writev, "dxd"},
    Shape{SYS_access, "sx"},
    Shape{SYS_pipe, "x"},
    Shape{SYS_sched_yield, ""},
    Shape{SYS_mremap, "xuuxx"},
    Shape{SYS_msync, "xux"},
    Shape{SYS_mincore, "xux"},
    Shape{SYS_madvise, "xud"},
    Shape{SYS_dup, "d"},
    Shape{SYS_dup2, "dd"},
    Shape{SYS_pause, ""},
    Shape{SYS_nanosleep, "xx"},
    Shape{SYS_getpid, ""},
    Shape{SYS_exit, "d"},
    Shape{SYS_kill, "dd"},
    Shape{SYS_uname, "x"},
    Shape{SYS_fcntl, "ddx"},
    Shape{SYS_fsync, "d"},
    Shape{SYS_truncate, "su"},
    Shape{SYS_ftruncate, "du"},
    Shape{SYS_getcwd, "xu"},
    Shape{SYS_chdir, "s"},
    Shape{SYS_fchdir, "d"},
    Shape{SYS_rename, "ss"},
    Shape{SYS_mkdir, "so"},
    Shape{SYS_rmdir, "s"},
    Shape{SYS_link, "ss"},
    Shape{SYS_unlink, "s"},
    Shape{SYS_symlink, "ss"},
    Shape{SYS_readlink, "sxu"},
    Shape{SYS_chmod, "so"},
    Shape{SYS_fchmod, "do"},
    Shape{SYS_chown, "sdd"},
    Shape{SYS_umask, "o"},
    Shape{SYS_gettimeofday, "xx"},
    Shape{SYS_getrlimit, "dx"},
    Shape{SYS_getrusage, "dx"},
    Shape{SYS_sysinfo, "x"},
    Shape{SYS_times, "x"},
    Shape{SYS_getuid, ""},
    Shape{SYS_getgid, ""},
    Shape{SYS_geteuid, ""},
    Shape{SYS_getegid, ""},
    Shape{SYS_getppid, ""},
    Shape{SYS_sigaltstack, "xx"},
    Shape{SYS_statfs, "sx"},
    Shape{SYS_mlock, "xu"},
    Shape{SYS_munlock, "xu"},
    Shape{SYS_mlockall, "x"},
    Shape{SYS_munlockall, ""},
    Shape{SYS_prctl, "dxxxx"},
    Shape{SYS_arch_prctl, "xx"},
    Shape{SYS_gettid, ""},
    Shape{SYS_tkill, "dd"},
    Shape{SYS_time, "x"},
    Shape{SYS_futex, "xxuxxx"},
    Shape{SYS_getdents64, "dxu"},
    Shape{SYS_set_tid_address, "x"},
    Shape{SYS_clock_gettime, "dx"},
    Shape{SYS_clock_getres, "dx"},
    Shape{SYS_clock_nanosleep, "dxxx"},
    Shape{SYS_exit_group, "d"},
    Shape{SYS_tgkill, "ddd"},
    Shape{SYS_openat, "fsxo"},
    Shape{SYS_mkdirat, "fso"},
    Shape{SYS_newfstatat, "fsxx"},
    Shape{SYS_unlinkat, "fsx"},
    Shape{SYS_renameat, "fsfs"},
    Shape{SYS_linkat, "fsfsx"},
    Shape{SYS_symlinkat, "sfs"},
    Shape{SYS_readlinkat, "fsxu"},
    Shape{SYS_fchmodat, "fso"},
    Shape{SYS_faccessat, "fsx"},
    Shape{SYS_set_robust_list, "xu"},
    Shape{SYS_utimensat, "fsxx"},
    Shape{SYS_fallocate, "dxdd"},
    Shape{SYS_dup3, "ddx"},
    Shape{SYS_pipe2, "xx"},
    Shape{SYS_preadv, "dxdd"},
    Shape{SYS_pwritev, "dxdd"},
    Shape{SYS_prlimit64, "ddxx"},
    Shape{SYS_getcpu, "xxx"},
    Shape{SYS_renameat2, "fsfsx"},
    Shape{SYS_getrandom, "xux"},
    Shape{SYS_memfd_create, "sx"},
    Shape{SYS_mlock2, "xux"},
    Shape{SYS_copy_file_range, "dxdxux"},
    Shape{SYS_statx, "fsxxx"},
    Shape{SYS_rseq, "xuxx"},
    Shape{SYS_faccessat2, "fsxx"},
};

std::string quoted(const mmu::AddressSpace& mm, std::uint64_t address) {
  constexpr std::size_t kShown = 48;
  if (address == 0) return "NULL";
  std::array<std::byte, kShown + 1> bytes{};
  const std::uint64_t n = mmu::peek_user(mm, bytes, Gva(address));
  if (n == 0) return fmt::format("{:#x}", address);
  std::string out = "\"";
  for (std::uint64_t i = 0; i < std::min<std::uint64_t>(n, kShown); ++i) {
    const auto c = static_cast<unsigned char>(bytes[i]);
    if (c == 0) return out + '"';
    if (c == '"' || c == '\\') {
      out += {'\\', static_cast<char>(c)};
    } else if (c >= 0x20 && c < 0x7f) {
      out += static_cast<char>(c);
    } else {
      fmt::format_to(std::back_inserter(out), "\\{:o}", c);
    }
  }
  return out + "\"...";
}

// `mm`: where strings are; null: nowhere.
std::string argument(const mmu::AddressSpace* mm, char how, std::uint64_t value) {
  const auto low = static_cast<std::int32_t>(value);
  constexpr std::int32_t kAtFdcwd = -100;
  switch (how) {
    case 'd': return fmt::format("{}", low);
    case 'u': return fmt::format("{}", value);
    case 'o': return fmt::format("0{:o}", static_cast<std::uint32_t>(value));
    case 's':
      if (mm != nullptr) return quoted(*mm, value);
      break;
    case 'f': return low == kAtFdcwd ? "AT_FDCWD" : fmt::format("{}", low);
    default: break;
  }
  return value == 0 ? "0" : fmt::format("{:#x}", value);
}

bool returns_address(std::uint64_t number) { return number == SYS_mmap || number == SYS_brk || number == SYS_mremap; }

std::string result_text(const SyscallRecord& record) {
  constexpr std::int64_t kMaxErrno = 4095;
  if (record.args.number == SYS_exit || record.args.number == SYS_exit_group) return "?";
  if (record.result < 0 && record.result >= -kMaxErrno) {
    const int error = static_cast<int>(-record.result);
    return fmt::format("-1 {} ({}){}", errno_name(error), std::strerror(error), record.served ? "" : " [not served]");
  }
  if (returns_address(record.args.number)) return fmt::format("{:#x}", record.result);
  return fmt::format("{}", record.result);
}

std::string format_call(const mmu::AddressSpace* mm, const SyscallRecord& record) {
  const std::uint64_t number = record.args.number;
  const std::string_view known = syscall_name(number);
  std::string out = known.empty() ? fmt::format("syscall_{}", number) : std::string(known);
  const auto shape = std::ranges::find(kShapes, number, &Shape::number);
  const std::string_view how = shape != kShapes.end() ? shape->arguments : "xxxxxx";
  out += '(';
  for (unsigned i = 0; i < how.size(); ++i) {
    if (i > 0) out += ", ";
    out += argument(mm, how[i], record.args[i]);
  }
  return out + ") = " + result_text(record);
}

}  // namespace

std::string errno_name(int error) {
  const char* name = ::strerrorname_np(error);
  return name != nullptr ? name : fmt::format("errno {}", error);
}

std::optional<unsigned> argument_count(std::uint64_t number) {
  const auto shape = std::ranges::find(kShapes, number, &Shape::number);
  if (shape == kShapes.end()) return std::nullopt;
  return static_cast<unsigned>(shape->arguments.size());
}

std::string format_syscall(const Task& task, const SyscallRecord& record) { return format_call(&task.mm(), record); }

std::string format_syscall(const SyscallRecord& record) { return format_call(nullptr, record); }

}  // namespace faultline::vmm::linux_abi
