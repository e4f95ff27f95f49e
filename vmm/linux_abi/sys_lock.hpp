// File locks of fcntl(2) and flock(2).
#pragma once

#include "vmm/linux_abi/support.hpp"

namespace faultline::vmm::linux_abi {

// F_GETLK, F_SETLK, F_SETLKW and their F_OFD_ relatives; `at`: the guest's struct flock.
SyscallValue lock_file(Task& task, const OpenFile& file, int command, Gva at);
SyscallValue sys_flock(Task& task, const SyscallArgs& args);

}  // namespace faultline::vmm::linux_abi
