#include "vmm/linux_abi/proc/processes.hpp"

namespace faultline::vmm::linux_abi::proc {

Task* find_process(Task& reader, int pid) { return reader.config().pid == pid ? &reader : nullptr; }

std::vector<int> process_ids(Task& reader) { return {reader.config().pid}; }

}  // namespace faultline::vmm::linux_abi::proc
