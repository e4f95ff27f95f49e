#include "vmm/linux_abi/proc/processes.hpp"

#include "vmm/linux_abi/process_table.hpp"

namespace faultline::vmm::linux_abi::proc {

Task* find_process(Task& reader, int pid) {
  Task* task = reader.processes().find(pid);
  return task != nullptr && !task->exit_status() ? task : nullptr;
}

std::vector<int> process_ids(Task& reader) {
  std::vector<int> ids;
  for (const auto& [pid, task] : reader.processes().all())
    if (!task->exit_status()) ids.push_back(pid);
  return ids;
}

}  // namespace faultline::vmm::linux_abi::proc
