// Paths that are not the host's: /proc as the guest has it, and /dev/stdin and friends. They are
// recognised by their absolute name.
#pragma once

#include <optional>
#include <string>

#include "vmm/linux_abi/file_system.hpp"
#include "vmm/linux_abi/proc/tree.hpp"

namespace faultline::vmm::linux_abi {

// What an absolute, folded path names, if it is one of them.
std::optional<proc::Node> pseudo_file(Task& task, const std::string& absolute);
// Where a link leads, as readlink(2) tells. EINVAL for what is no link, ENOENT for a process or
// descriptor that is gone.
SysResult<std::string> pseudo_link(Task& task, const proc::Node& node);
// A link that open, stat and the like look behind.
[[nodiscard]] bool is_link(const proc::Node& node);
// A link to another of these paths rather than to an object of the host.
std::optional<proc::Node> followed(Task& task, const proc::Node& node);

// A new description of a file or directory, with the checks of open(2). ENOTDIR, EISDIR, EACCES.
SysResult<std::shared_ptr<OpenFile>> open_virtual(Task& task, const proc::Node& node, int flags);
// access(2) of a file, directory or link by the effective user.
SysResult<void> may_access(Task& task, const VirtualAttributes& attributes, int mode);

}  // namespace faultline::vmm::linux_abi
