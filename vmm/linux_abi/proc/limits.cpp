// /proc/PID/limits. Follows proc_pid_limits (fs/proc/base.c).
#include <fmt/format.h>

#include <array>

#include "vmm/linux_abi/proc/process_text.hpp"

namespace faultline::vmm::linux_abi::proc {
namespace {

struct Limit {
  std::string_view name, unit;
};
// In the order of their numbers.
constexpr std::array<Limit, RLIM_NLIMITS> kLimits = {{
    {"Max cpu time", "seconds"},
    {"Max file size", "bytes"},
    {"Max data size", "bytes"},
    {"Max stack size", "bytes"},
    {"Max core file size", "bytes"},
    {"Max resident set", "bytes"},
    {"Max processes", "processes"},
    {"Max open files", "files"},
    {"Max locked memory", "bytes"},
    {"Max address space", "bytes"},
    {"Max file locks", "locks"},
    {"Max pending signals", "signals"},
    {"Max msgqueue size", "bytes"},
    {"Max nice priority", ""},
    {"Max realtime priority", ""},
    {"Max realtime timeout", "us"},
}};

std::string value(rlim_t limit) { return limit == RLIM_INFINITY ? "unlimited" : fmt::format("{}", limit); }

}  // namespace

std::string limits_text(Task& task) {
  std::string text = fmt::format("{:<25} {:<20} {:<20} {:<10}\n", "Limit", "Soft Limit", "Hard Limit", "Units");
  for (std::size_t i = 0; i < kLimits.size(); ++i) {
    text += fmt::format("{:<25} {:<20} {:<20} ", kLimits[i].name, value(task.limits[i].rlim_cur),
                        value(task.limits[i].rlim_max));
    text += kLimits[i].unit.empty() ? "\n" : fmt::format("{:<10}\n", kLimits[i].unit);
  }
  return text;
}

}  // namespace faultline::vmm::linux_abi::proc
