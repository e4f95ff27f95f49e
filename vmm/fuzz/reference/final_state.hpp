#pragma once

#include "vmm/fuzz/reference/process.hpp"
#include "vmm/fuzz/trace.hpp"

namespace faultline::vmm::fuzz::reference {

// VMAs and content of a process that is alive at the end.
[[nodiscard]] SeenProcess final_state(const Process& process, unsigned number);

}  // namespace faultline::vmm::fuzz::reference
