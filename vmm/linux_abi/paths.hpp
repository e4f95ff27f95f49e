// Path arguments of system calls: from guest memory to something a host call can take.
#pragma once

#include <optional>
#include <string>

#include "vmm/linux_abi/file_system.hpp"
#include "vmm/linux_abi/support.hpp"
#include "vmm/linux_abi/virtual_file.hpp"

namespace faultline::vmm::linux_abi {

// EFAULT, or ENAMETOOLONG beyond PATH_MAX.
SysResult<std::string> path_from_user(Task& task, Gva address);

// FileSystem::resolve, with the served pseudo-files looked at first.
SysResult<HostPath> resolve_path(Task& task, int dirfd, const std::string& path, LastLink last);

// The object of an *at() call: AT_SYMLINK_NOFOLLOW and AT_EMPTY_PATH in `at_flags` count.
SysResult<HostPath> resolve_at(Task& task, int dirfd, Gva path, int at_flags);

// The attributes of what an *at() call means, when that is made up and no object of the host.
// EFAULT, ENAMETOOLONG for the path itself.
SysResult<std::optional<VirtualAttributes>> virtual_at(Task& task, int dirfd, Gva path, int at_flags);

}  // namespace faultline::vmm::linux_abi
