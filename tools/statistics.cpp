#include "tools/statistics.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include "tools/json_output.hpp"

namespace faultline::tools {

namespace {

std::string call_name(std::uint64_t number) {
  const std::string_view known = vmm::linux_abi::syscall_name(number);
  return known.empty() ? fmt::format("syscall_{}", number) : std::string(known);
}

// Call counts, most frequent first.
std::vector<std::pair<std::string, std::uint64_t>> by_count(const std::map<std::uint64_t, std::uint64_t>& counts) {
  std::vector<std::pair<std::string, std::uint64_t>> rows;
  for (const auto& [number, count] : counts) rows.emplace_back(call_name(number), count);
  std::ranges::stable_sort(rows, [](const auto& a, const auto& b) { return a.second > b.second; });
  return rows;
}

nlohmann::ordered_json host_json(const Result<std::vector<vmm::HostStatistic>>& statistics) {
  nlohmann::ordered_json j = nlohmann::ordered_json::object();
  if (!statistics) {
    j["unavailable"] = statistics.error().message;
    return j;
  }
  for (const vmm::HostStatistic& s : *statistics) {
    nlohmann::ordered_json& entry = j[s.name];
    entry["kind"] = vmm::name(s.kind);
    if (s.unit != vmm::StatisticUnit::kNone) entry["unit"] = vmm::name(s.unit);
    if (s.exponent != 0) entry["scale"] = fmt::format("{}^{}", s.power_of_two ? 2 : 10, s.exponent);
    if (s.kind == vmm::StatisticKind::kLinearHistogram) entry["bucket"] = s.bucket;
    if (s.histogram()) {
      entry["values"] = s.values;
    } else {
      entry["value"] = s.values.empty() ? 0 : s.values.front();
    }
  }
  return j;
}

// Those that are not zero. A histogram shows how much is in it.
std::string host_text(std::string_view label, const Result<std::vector<vmm::HostStatistic>>& statistics) {
  if (!statistics) return fmt::format("  {:<18} {}\n", label, statistics.error().message);
  std::string out;
  for (const vmm::HostStatistic& s : *statistics) {
    const std::uint64_t sum = std::accumulate(s.values.begin(), s.values.end(), std::uint64_t{0});
    if (sum == 0) continue;
    std::string unit(vmm::name(s.unit));
    if (s.exponent != 0) unit = fmt::format("{}^{} {}", s.power_of_two ? 2 : 10, s.exponent, unit);
    if (s.histogram()) unit = "in its histogram";
    out += fmt::format("  {:<18} {:>8} {}{}\n", out.empty() ? label : "", sum, s.name, unit.empty() ? "" : ", " + unit);
  }
  return out.empty() ? fmt::format("  {:<18} all zero\n", label) : out;
}

}  // namespace

nlohmann::ordered_json statistics_json(vmm::Session& session, std::uint64_t wall_ns) {
  const vmm::RunStatistics& run = session.runner().statistics();
  const mmu::AddressSpace& mm = session.mm();
  nlohmann::ordered_json j;
  j["version"] = kJsonVersion;
  j["backend"] = session.machine().backend();
  j["wall_ns"] = wall_ns;
  j["guest_ns"] = run.guest_ns;
  j["exits"] = {{"total", run.exits},
                {"page_fault", run.page_faults},
                {"syscall", run.syscalls},
                {"exception", run.exceptions},
                {"interrupted", run.interrupts}};
  j["processes"] = {{"started", session.processes().started()}, {"switches", session.runner().scheduling().switches}};
  const vmm::linux_abi::ResourceUse use = session.processes().total_use();
  const vmm::AddressSpaceLoads loads = session.vcpu().address_space_loads();
  j["address_spaces"] = {{"switches", loads.switches},
                         {"loads_kept", loads.kept},
                         {"loads_flushed", loads.flushed},
                         {"page_flushes", loads.page_flushes},
                         {"whole_flushes", loads.whole_flushes}};
  j["faults"] = {{"minor", use.minor},
                 {"major", use.major},
                 {"perf", mm.counters.perf_faults},
                 {"vmstat_pgfault", mm.counters.vm_faults}};
  auto& paths = j["fault_paths"] = nlohmann::ordered_json::object();
  for (const auto& [step, count] : run.by_path) paths[std::string(mmu::name(step))] = count;
  auto& results = j["fault_results"] = nlohmann::ordered_json::object();
  for (const auto& [result, count] : run.by_result) results[std::string(mmu::name(result))] = count;
  j["memory"] = {{"rss_pages", mm.rss.total()},
                 {"rss_high_water_pages", mm.rss.high_water},
                 {"table_bytes", mm.tables().table_bytes()},
                 {"vmas", mm.vmas.size()},
                 {"frames_used", mm.frames().used_frames()},
                 {"frames_total", mm.frames().total_frames()}};
  auto& calls = j["syscalls"] = nlohmann::ordered_json::object();
  for (const auto& [name, count] : by_count(session.task().statistics().counts)) calls[name] = count;
  auto& unserved = j["unserved_syscalls"] = nlohmann::ordered_json::object();
  for (const auto& [name, count] : by_count(session.task().statistics().unserved)) unserved[name] = count;
  j["kvm"] = {{"vm", host_json(session.machine().host_statistics())},
              {"vcpu", host_json(session.vcpu().host_statistics())}};
  return j;
}

std::string statistics_text(vmm::Session& session, std::uint64_t wall_ns) {
  const vmm::RunStatistics& run = session.runner().statistics();
  const mmu::AddressSpace& mm = session.mm();
  std::string out;
  const auto line = [&out](std::string_view label, const std::string& value) {
    out += fmt::format("  {:<18} {}\n", label, value);
  };
  out += fmt::format("faultline statistics ({})\n", session.machine().backend());
  if (wall_ns != 0)
    line("wall time", fmt::format("{:.3f} ms, {:.3f} ms of it in the guest", static_cast<double>(wall_ns) / 1e6,
                                  static_cast<double>(run.guest_ns) / 1e6));
  line("exits", fmt::format("{}: {} page faults, {} system calls, {} exceptions, {} interruptions", run.exits,
                            run.page_faults, run.syscalls, run.exceptions, run.interrupts));
  const vmm::linux_abi::ResourceUse use = session.processes().total_use();
  line("faults", fmt::format("{} minor, {} major (system calls' own included)", use.minor, use.major));
  for (const auto& [step, count] : run.by_path) line("", fmt::format("{:>8} {}", count, mmu::name(step)));
  for (const auto& [result, count] : run.by_result)
    if (result != mmu::FaultResult::kResolved) line("", fmt::format("{:>8} {}", count, mmu::name(result)));
  line("resident", fmt::format("{} KiB, at most {} KiB; page tables {} KiB; {} VMAs", mm.rss.total() * 4,
                               mm.rss.high_water * 4, mm.tables().table_bytes() / 1024, mm.vmas.size()));
  if (session.processes().ever_forked()) {
    line("processes", fmt::format("{}, and {} switches from one to another", session.processes().started(),
                                  session.runner().scheduling().switches));
  }
  const vmm::AddressSpaceLoads loads = session.vcpu().address_space_loads();
  if (loads.kept + loads.flushed != 0) {
    line("page tables", fmt::format("{} switches: {} loads that kept the TLB, {} that flushed it", loads.switches,
                                    loads.kept, loads.flushed));
    line("TLB flushes",
         fmt::format("{} of a few pages, {} of an address space", loads.page_flushes, loads.whole_flushes));
  }
  line("system calls", fmt::format("{}", session.task().statistics().total));
  for (const auto& [name, count] : by_count(session.task().statistics().counts))
    line("", fmt::format("{:>8} {}", count, name));
  for (const auto& [name, count] : by_count(session.task().statistics().unserved))
    line("not served", fmt::format("{:>8} {} (ENOSYS)", count, name));
  out += host_text("KVM of the VM", session.machine().host_statistics());
  out += host_text("KVM of the vCPU", session.vcpu().host_statistics());
  return out;
}

}  // namespace faultline::tools
