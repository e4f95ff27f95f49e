// The entries of /proc/PID that are one line.
#include <fmt/format.h>

#include "vmm/linux_abi/proc/process_text.hpp"

namespace faultline::vmm::linux_abi::proc {

std::string comm_text(Task& task) { return task.name + "\n"; }

// Linux oom_badness in thousandths: resident pages, swap and tables of all memory, the
// adjustment added, on a scale of which 0 to 1333 is shown.
std::string oom_score_text(Task& task) {
  const auto total = static_cast<std::int64_t>(task.mm().frames().total_frames());
  const auto used = static_cast<std::int64_t>(task.mm().rss.total() + task.mm().tables().tables());
  const std::int64_t points = used + task.oom_score_adj * total / 1000;
  return fmt::format("{}\n", (1000 + points * 1000 / total) * 2 / 3);
}

std::string oom_adj_text(Task& task) { return fmt::format("{}\n", task.oom_score_adj); }
std::string personality_text(Task&) { return "00040000\n"; }  // ADDR_NO_RANDOMIZE: nothing here is random
std::string wchan_text(Task&) { return "0"; }
std::string schedstat_text(Task&) { return "0 0 0\n"; }
std::string loginuid_text(Task&) { return "4294967295"; }
std::string io_text(Task&) {
  return "rchar: 0\nwchar: 0\nsyscr: 0\nsyscw: 0\nread_bytes: 0\nwrite_bytes: 0\ncancelled_write_bytes: 0\n";
}

}  // namespace faultline::vmm::linux_abi::proc
