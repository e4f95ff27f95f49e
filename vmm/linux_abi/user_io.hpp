// Guest buffers for host I/O calls (Linux import_iovec, iov_iter): checked, faulted in, and
// handed to the host as spans of guest RAM, with no copy in between.
#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <span>
#include <vector>

#include "mmu/space/uaccess.hpp"

namespace faultline::vmm::linux_abi {

inline constexpr std::uint64_t kMaxRwCount = 0x7ffff000;  // Linux MAX_RW_COUNT
inline constexpr unsigned kMaxIov = 1024;                 // UIO_MAXIOV

struct UserBuffer {
  std::uint64_t address = 0, length = 0;
};

// The guest's iovec array, total capped to MAX_RW_COUNT. EINVAL: too many, or a negative
// length; EFAULT: the array or a buffer lies outside user space.
SysResult<std::vector<UserBuffer>> import_iovec(mmu::AddressSpace& mm, std::uint64_t address, std::uint64_t count);
// One buffer as a vector of one. EFAULT when it lies outside user space.
SysResult<std::vector<UserBuffer>> import_buffer(mmu::AddressSpace& mm, std::uint64_t address, std::uint64_t length);
std::uint64_t total_length(std::span<const UserBuffer> buffers);

// Host pieces of the buffers from byte `skip` on: as many as fit one host call, up to the
// first page that cannot be accessed. Empty: nothing accessible there.
std::vector<iovec> host_pieces(mmu::AddressSpace& mm, std::span<const UserBuffer> buffers, std::uint64_t skip,
                               mmu::UserAccess access);

}  // namespace faultline::vmm::linux_abi
