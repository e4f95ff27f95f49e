// The memory that the controller (this program) and the runner (vmm/fuzz/host/runner: a program of
// its own, without a C library, whose children run the programs) have in common. The runner's
// children write nothing else of their own, so no page of theirs is copied on write in a step.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "vmm/fuzz/program.hpp"

namespace faultline::vmm::fuzz::host {

// The runner's address space. Everything else is free, and all of it is far from every window.
inline constexpr std::uint64_t kImageAt = 0x40'0000, kSharedAt = 0x1000'0000, kRingAt = 0x2000'0000;
inline constexpr std::uint64_t kOwnEnd = 0x3000'0000;
inline constexpr std::uint64_t kRingPages = 16;  // besides the first

// Its descriptors.
enum Fd : int { kControlFd = 3, kSharedFd, kDiskFd, kMemoryFd, kPatternsFd, kSinkFd, kFds };

enum class Kind : std::uint32_t {
  kCall,    // the system call `number` of `args`
  kAround,  // the system call of args[0], [1], [2], and that of args[3], [4], [2] (vmm/fuzz/around.hpp)
  kFork,
  kExit,
  kSwitch,  // to args[0]
  // Accesses of `width` bytes at args[0].
  kRead,
  kWrite,
  kFetch,
  kModify,
  kLocked,
  kCopy,  // args[1] bytes from args[0] to args[2]
  kFill,  // args[1] bytes
};

struct Step {
  Kind kind = Kind::kCall;
  std::uint32_t width = 0;  // of mincore: how many pages of its answer are told
  std::uint64_t number = 0;
  std::uint64_t args[6] = {};
  alignas(16) std::uint8_t pattern[16] = {};
};

struct Fault {
  std::uint64_t address, error;
};

struct Seen {
  std::int64_t result = 0;
  std::uint64_t address = 0;
  std::uint32_t signal = 0;
  std::int32_t code = 0;
  std::uint32_t error = 0;
  std::uint32_t minor = 0, major = 0;
  std::uint32_t first_fault = 0, faults = 0;  // in Shared::faults
  std::uint32_t bytes_count = 0;
  std::uint8_t bytes[16] = {};
};

enum class State : std::uint32_t {
  kIdle,      // the runner waits for a program; nothing of the last is left
  kRunning,   // a program runs
  kFinished,  // every step was made; its processes wait
  kLost,      // a process died that should not have
  kFailed,    // the runner cannot go on: `failure`
};

enum class Life : std::uint32_t { kNone, kAlive, kExiting };

struct Slot {
  std::uint32_t pid = 0;
  Life life = Life::kNone;
};

inline constexpr std::size_t kFaultRoom = 4096;
inline constexpr std::size_t kStackBytes = 2 * 4096, kSignalStackBytes = 6 * 4096;

// More than Linux invalidates page by page (tlb_single_page_flush_ceiling).
inline constexpr std::size_t kScratchPages = 64;

struct Shared {
  std::uint64_t resume_stack = 0;  // the stack pointer of an access that is given up; start.S knows it is first
  // Written by the controller.
  std::uint64_t tracepoint = 0;  // its number; 0: none
  std::uint32_t address_at = 0, error_at = 0;
  std::uint32_t cpu = 0;  // that the runner and its children keep to
  std::uint32_t steps = 0;

  std::atomic<State> state = State::kRunning;  // a futex
  std::atomic<std::uint32_t> turn = 0;         // a futex: whose process goes on
  std::uint32_t step = 0;                      // that is being made
  bool armed = false;                          // an access is being made: a signal belongs to it
  bool faults_lost = false;
  std::uint32_t fault_count = 0;
  std::uint32_t runner = 0;          // its pid
  std::int32_t ring_error = 0;       // errno: why there is no record of faults
  std::int32_t failure_error = 0;    // errno of `failure`
  std::uint64_t failure_detail = 0;  // an address, a status or a step
  char failure[64] = {};             // what the runner could not do

  Slot slots[kMaxProcesses];
  Step program[kMaxOperations];
  Seen seen[kMaxOperations];
  Fault faults[kFaultRoom];
  alignas(4096) std::uint8_t resident[4096];                          // of mincore
  alignas(4096) std::uint8_t stacks[kMaxProcesses + 1][kStackBytes];  // the last: the runner's
  alignas(4096) std::uint8_t signal_stack[kSignalStackBytes];
  alignas(4096) std::uint8_t scratch[kScratchPages * 4096];  // its ends are present, for forget_translations()
};
static_assert(offsetof(Shared, resume_stack) == 0);

}  // namespace faultline::vmm::fuzz::host
