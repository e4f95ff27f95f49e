// What one process is to others: its family, its job, how it ended and what it used.
#pragma once

#include <csignal>
#include <cstdint>
#include <vector>

namespace faultline::vmm::linux_abi {

class Task;

// How a process ended. Exactly one of the two counts: signal != 0 means killed by it.
struct ExitStatus {
  int code = 0;
  int signal = 0;
  // As a shell reports it: the code, or 128 + signal.
  [[nodiscard]] int shell_status() const { return signal != 0 ? 128 + signal : code; }
  bool operator==(const ExitStatus&) const = default;
};

struct Kinship {
  Task* parent = nullptr;        // null: outside the guest, or gone
  std::vector<Task*> children;   // in order of birth, zombies too
  int group = 0, session = 0;    // ids; a leader's is its pid
  int exit_signal = SIGCHLD;     // what the parent gets; 0: nothing
  bool executed = false;         // called execve: its parent may no longer choose its group
  Task* vfork_parent = nullptr;  // waits until this task executes a program or ends
};

// Job control.
struct JobState {
  enum class News : std::uint8_t { kNone, kStopped, kContinued };
  bool stopped = false;
  int signal = 0;           // that stopped it
  News news = News::kNone;  // not told to the parent's wait yet
};

// getrusage(2), as far as it is counted.
struct ResourceUse {
  std::uint64_t user_ns = 0, system_ns = 0;
  std::uint64_t minor = 0, major = 0;
  std::uint64_t max_rss_kib = 0;

  void add(const ResourceUse& o) {
    user_ns += o.user_ns;
    system_ns += o.system_ns;
    minor += o.minor;
    major += o.major;
    if (o.max_rss_kib > max_rss_kib) max_rss_kib = o.max_rss_kib;
  }
};

}  // namespace faultline::vmm::linux_abi
