// The kernel as the judge: a forked child that makes the calls it is told to, and whose memory
// map is read from /proc. Everything outside a window is blocked by a mapping of its own, so
// that placement without an address has nowhere else to go, natively and in an AddressSpace
// with the same blocks.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "mmu/space/vm_flags.hpp"

namespace faultline::mmu::testing {

// A system call by number, or one of the touches. Descriptors are indices into NativeFiles.
struct Request {
  static constexpr long kRead = -1, kWrite = -2;  // touch args[0]
  static constexpr long kLimit = -3;              // setrlimit(args[0], args[1] bytes above what is used)
  static constexpr long kMseal = 462;             // newer than this C library
  static constexpr long kDropRights = -4;         // no CAP_IPC_LOCK any more
  static constexpr long kFork = -5;               // the child goes on; args[0] != 0: the parent unmaps the window
  long number = 0;
  std::array<std::uint64_t, 6> args{};
};

struct Reply {
  // What the system call returned, -errno; a touch: 0, or -signal.
  std::int64_t result = 0;
  std::array<std::uint8_t, 64> vector{};  // of mincore
};

struct NativeVma {
  std::uint64_t start = 0, end = 0, offset = 0, inode = 0;
  VmFlags flags;                         // as smaps has them
  std::uint64_t rss = 0, anonymous = 0;  // pages
};

struct NativeCounters {
  std::uint64_t total = 0, data = 0, stack = 0, locked = 0;  // pages
  std::uint64_t tables = 0;                                  // page tables, the top one aside
};

struct Window {
  std::uint64_t start = 0, end = 0;
};

class NativeProcess {
 public:
  // `files`: descriptors that the requests name by index.
  NativeProcess(Window window, std::vector<int> files);
  ~NativeProcess();
  NativeProcess(const NativeProcess&) = delete;
  NativeProcess& operator=(const NativeProcess&) = delete;

  // False when the child could not be prepared; `why` tells.
  [[nodiscard]] bool ready() const { return ready_; }
  [[nodiscard]] const std::string& why() const { return why_; }

  Reply call(const Request& request);
  [[nodiscard]] std::vector<NativeVma> vmas() const;  // in the window
  // Since the window was empty.
  [[nodiscard]] NativeCounters counters() const;

  // vm.mmap_min_addr of this machine.
  static std::uint64_t min_address();
  // What the process had when the window was empty.
  [[nodiscard]] const NativeCounters& baseline() const { return start_; }
  static constexpr std::uint64_t kTaskSize = 0x7ffffffff000;

 private:
  bool block_everything_else();
  [[nodiscard]] NativeCounters read_counters() const;

  Window window_;
  pid_t first_child_ = -1;
  pid_t child_ = -1;  // who makes the calls: the last of a line of forks
  int to_child_ = -1, from_child_ = -1;
  std::uint64_t blocker_index_ = 0;
  bool ready_ = false;
  std::string why_;
  NativeCounters start_;
};

}  // namespace faultline::mmu::testing
