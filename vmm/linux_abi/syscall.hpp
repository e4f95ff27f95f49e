// A system call as the run loop and the handlers see it (x86-64: rax = number; rdi, rsi, rdx,
// r10, r8, r9 = arguments; rax = result or -errno).
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>

#include "mmu/base/address.hpp"
#include "mmu/base/result.hpp"

namespace faultline::vmm::linux_abi {

class Task;

struct SyscallArgs {
  std::uint64_t number = 0;
  std::array<std::uint64_t, 6> raw{};

  [[nodiscard]] std::uint64_t operator[](unsigned n) const { return raw[n]; }
  [[nodiscard]] int i32(unsigned n) const { return static_cast<int>(static_cast<std::uint32_t>(raw[n])); }
  [[nodiscard]] std::uint32_t u32(unsigned n) const { return static_cast<std::uint32_t>(raw[n]); }
  [[nodiscard]] Gva gva(unsigned n) const { return Gva(raw[n]); }
};

using SyscallValue = SysResult<std::uint64_t>;
using SyscallHandler = SyscallValue (*)(Task&, const SyscallArgs&);

struct SyscallEntry {
  std::uint32_t number;
  SyscallHandler handler;
};

// Results that never reach the guest (Linux include/linux/errno.h): what happens next depends
// on whether a signal handler runs. Task::deliver_signals() resolves them.
inline constexpr int kRestartSys = 512;     // restart if no handler, or SA_RESTART
inline constexpr int kRestartNoIntr = 513;  // restart always
inline constexpr int kRestartNoHand = 514;  // restart only if no handler ran
inline constexpr int kNoResult = 515;       // the handler has set the registers itself
// The call must wait, and has said in Task::wait_state() for what: it is made again, without the
// guest, when that came about or a signal did.
inline constexpr int kBlocked = 600;

// Told of each system call once it is decided; restarts of a wait are one call.
struct SyscallRecord {
  SyscallArgs args;
  std::int64_t result = 0;  // as rax will hold it
  bool served = true;
};
using SyscallHook = std::function<void(const Task&, const SyscallRecord&)>;

// "openat"; "syscall_9999" style is the caller's business: empty when the number has no name.
std::string_view syscall_name(std::uint64_t number);
// The handler, or null when it is not served.
SyscallHandler find_handler(std::uint64_t number);
// Every served call, ascending by number.
std::span<const SyscallEntry> served_syscalls();

}  // namespace faultline::vmm::linux_abi
