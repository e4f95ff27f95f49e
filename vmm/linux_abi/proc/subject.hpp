// Whom an entry of /proc/PID speaks of.
#pragma once

#include <memory>

#include "vmm/linux_abi/proc/processes.hpp"

namespace faultline::vmm::linux_abi::proc {

struct Subject {
  int pid = 0;  // 0: nobody, a file of the whole system
  // The address space at the time of the open: what maps, smaps, mem and pagemap go on showing
  // after an exec, and show no more once it is gone (Linux proc_mem_open).
  std::weak_ptr<mmu::AddressSpace> mm = {};

  // The process, the reader itself for a file of the system; null when it is gone.
  [[nodiscard]] Task* find(Task& reader) const { return pid == 0 ? &reader : find_process(reader, pid); }
};

}  // namespace faultline::vmm::linux_abi::proc
