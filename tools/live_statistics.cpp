#include "tools/live_statistics.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "tools/json_output.hpp"
#include "vmm/host/clock.hpp"

namespace faultline::tools {
namespace {

// Pages of all processes; a page that two share counts twice, as in RSS everywhere.
std::uint64_t resident_pages(vmm::Session& session) {
  std::uint64_t pages = 0;
  for (const mmu::AddressSpace* mm : session.processes().address_spaces()) pages += mm->rss.total();
  return pages;
}

}  // namespace

LiveStatistics::LiveStatistics(vmm::Session& session, vmm::LogFormat format)
    : session_(session), format_(format), began_ns_(vmm::monotonic_ns()), last_ns_(began_ns_) {}

void LiveStatistics::print() {
  const std::uint64_t now_ns = vmm::monotonic_ns();
  const vmm::RunStatistics& now = session_.runner().statistics();
  const std::uint64_t elapsed = std::max<std::uint64_t>(now_ns - last_ns_, 1);
  format_ == vmm::LogFormat::kText ? print_text(now, elapsed) : print_json(now, elapsed);
  last_ns_ = now_ns;
  last_ = now;
}

void LiveStatistics::print_text(const vmm::RunStatistics& now, std::uint64_t elapsed_ns) const {
  const double seconds = static_cast<double>(elapsed_ns) / 1e9;
  const auto rate = [seconds](std::uint64_t after, std::uint64_t before) {
    return static_cast<double>(after - before) / seconds;
  };
  const mmu::FrameAllocator& frames = session_.machine().frames();
  const std::string line = fmt::format(
      "faultline: {:9.3f} s: per second {:.0f} exits, {:.0f} page faults, {:.0f} system calls; {:.0f} % in the guest; "
      "resident {} KiB, frames {} of {}; {} process{}\n",
      static_cast<double>(last_ns_ + elapsed_ns - began_ns_) / 1e9, rate(now.exits, last_.exits),
      rate(now.page_faults, last_.page_faults), rate(now.syscalls, last_.syscalls),
      100 * static_cast<double>(now.guest_ns - last_.guest_ns) / static_cast<double>(elapsed_ns),
      resident_pages(session_) * (kPageSize / 1024), frames.used_frames(), frames.total_frames(),
      session_.processes().living(), session_.processes().living() == 1 ? "" : "es");
  std::fputs(line.c_str(), stderr);
}

void LiveStatistics::print_json(const vmm::RunStatistics& now, std::uint64_t elapsed_ns) const {
  const auto counters = [](const vmm::RunStatistics& s, const vmm::RunStatistics& before) {
    return nlohmann::ordered_json{{"exits", s.exits - before.exits},
                                  {"page_fault", s.page_faults - before.page_faults},
                                  {"syscall", s.syscalls - before.syscalls},
                                  {"exception", s.exceptions - before.exceptions},
                                  {"interrupted", s.interrupts - before.interrupts},
                                  {"guest_ns", s.guest_ns - before.guest_ns}};
  };
  const mmu::FrameAllocator& frames = session_.machine().frames();
  nlohmann::ordered_json j;
  j["version"] = kJsonVersion;
  j["type"] = "counters";
  j["backend"] = session_.machine().backend();
  j["time_ns"] = last_ns_ + elapsed_ns - began_ns_;
  j["interval_ns"] = elapsed_ns;
  j["total"] = counters(now, {});
  j["interval"] = counters(now, last_);
  j["memory"] = {{"rss_pages", resident_pages(session_)},
                 {"frames_used", frames.used_frames()},
                 {"frames_total", frames.total_frames()}};
  j["processes"] = session_.processes().living();
  std::fputs((j.dump() + "\n").c_str(), stderr);
}

}  // namespace faultline::tools
