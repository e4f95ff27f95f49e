// Which processes /proc speaks of: those of the guest, and none of the host's.
#pragma once

#include <vector>

#include "vmm/linux_abi/task.hpp"

namespace faultline::vmm::linux_abi::proc {

// The guest process of this number; null when there is none, or it has ended.
Task* find_process(Task& reader, int pid);
// All of them, ascending.
std::vector<int> process_ids(Task& reader);

}  // namespace faultline::vmm::linux_abi::proc
