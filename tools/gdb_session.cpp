#include "tools/gdb_session.hpp"

#include <fmt/format.h>

#include "tools/complain.hpp"
#include "tools/size.hpp"
#include "tools/statistics.hpp"
#include "tools/table_tree.hpp"
#include "vmm/record/format.hpp"
#include "vmm/run/exit_status.hpp"

namespace faultline::tools {
namespace {

using vmm::linux_abi::Task;

std::string walk(const Task& task, const std::string& argument) {
  const auto address = parse_address(argument);
  if (!address) return fmt::format("'{}' is not an address such as 0x401000\n", argument);
  return describe_translation(task.mm(), Gva(*address));
}

std::string last_fault(const vmm::Session& session) {
  const vmm::FaultRecord* record = session.recorder() != nullptr ? session.recorder()->last() : nullptr;
  if (record == nullptr) return "no fault yet\n";
  fmt::memory_buffer out;
  vmm::append_text(out, *record);
  return fmt::to_string(out);
}

std::string processes(const Task& first) {
  std::string out;
  for (const auto& [pid, task] : first.processes().all()) {
    const char* state = task->exit_status() ? "ended"
                        : task->stopped()   ? "stopped"
                        : task->blocked()   ? "waits"
                                            : "runs";
    out += fmt::format("{:>8} {:<8} {:<16} {}\n", pid, state, task->name, task.get() == &first ? "(this one)" : "");
  }
  return out;
}

std::vector<vmm::gdb::MonitorCommand> commands(vmm::Session& session) {
  return {
      {"walk", "ADDRESS", "the translation of an address, level by level, and its mapping", walk},
      {"vmas", "", "the mappings, and how many of their pages are there",
       [](const Task& task, const std::string&) { return describe_vmas(task.mm()); }},
      {"tree", "", "the page tables", [](const Task& task, const std::string&) { return describe_tree(task.mm()); }},
      {"fault", "", "the last page fault, explained",
       [&session](const Task&, const std::string&) { return last_fault(session); }},
      {"stats", "", "exits, faults, system calls and memory so far",
       [&session](const Task&, const std::string&) { return statistics_text(session, 0); }},
      {"processes", "", "the guest's processes", [](const Task& task, const std::string&) { return processes(task); }},
  };
}

}  // namespace

tl::expected<std::unique_ptr<vmm::gdb::Server>, int> start_debugger(vmm::Session& session, const std::string& place) {
  auto server = vmm::gdb::Server::create({.place = place, .monitor = commands(session), .say = complain},
                                         session.vcpu(), session.processes());
  if (!server) {
    complain(server.error().message);
    return tl::unexpected(vmm::kExitUsage);
  }
  session.runner().set_debugger(**server);
  return std::move(*server);
}

}  // namespace faultline::tools
