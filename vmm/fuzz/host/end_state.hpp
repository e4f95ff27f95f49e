// What a process is at the end of a program: /proc/PID/maps, /proc/PID/pagemap and its bytes.
#pragma once

#include "mmu/base/result.hpp"
#include "vmm/fuzz/host/files.hpp"
#include "vmm/fuzz/trace.hpp"

namespace faultline::vmm::fuzz::host {

// Areas and present pages; takes nothing from the process. Error: /proc does not tell.
Result<SeenProcess> read_areas(unsigned number, int pid, const HostFiles& files);

// Adds the content. Reading it brings pages in: after the areas of every process have been read.
// Error: the process cannot be read.
Result<void> read_content(SeenProcess& process, int pid);

}  // namespace faultline::vmm::fuzz::host
