// Entries of /proc/PID that are written to: clear_refs, comm, oom_score_adj.
#pragma once

#include <memory>

#include "vmm/linux_abi/proc/subject.hpp"
#include "vmm/linux_abi/virtual_file.hpp"

namespace faultline::vmm::linux_abi::proc {

// 1, 2, 3: clears Accessed of all, anonymous, file pages; 4 does nothing (no soft-dirty); 5
// resets VmHWM. EINVAL for anything else.
std::unique_ptr<VirtualFile> make_clear_refs(VirtualAttributes attributes, std::string path, Subject subject);
// The name, at most 15 bytes of what is written.
std::unique_ptr<VirtualFile> make_comm(VirtualAttributes attributes, std::string path, Subject subject);
// -1000 to 1000. EACCES below what it was, for the unprivileged.
std::unique_ptr<VirtualFile> make_oom_score_adj(VirtualAttributes attributes, std::string path, Subject subject);

}  // namespace faultline::vmm::linux_abi::proc
