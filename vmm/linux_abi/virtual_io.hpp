// System calls on a virtual file: read, write, lseek, getdents64.
#pragma once

#include <optional>
#include <span>

#include "vmm/linux_abi/support.hpp"
#include "vmm/linux_abi/user_io.hpp"

namespace faultline::vmm::linux_abi {

// Each buffer is a read of its own, until one comes back short (Linux do_loop_readv_writev).
// Precondition for all: file.virtual_file() is not null.
SyscallValue read_virtual(Task& task, const OpenFile& file, std::span<const UserBuffer> buffers,
                          std::optional<std::uint64_t> offset);
SyscallValue write_virtual(Task& task, const OpenFile& file, std::span<const UserBuffer> buffers,
                           std::optional<std::uint64_t> offset);
// Sets and gets the position; there is no end to seek from (EINVAL).
SyscallValue seek_virtual(const OpenFile& file, std::int64_t offset, int whence);
SyscallValue list_virtual(Task& task, const OpenFile& file, Gva to, std::uint32_t bytes);

}  // namespace faultline::vmm::linux_abi
