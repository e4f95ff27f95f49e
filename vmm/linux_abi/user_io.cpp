#include "vmm/linux_abi/user_io.hpp"

#include <algorithm>

namespace faultline::vmm::linux_abi {
namespace {

constexpr std::size_t kMaxPieces = 1024;  // what one host call takes

// Linux access_ok: the whole range lies below the end of user space.
bool access_ok(const mmu::AddressSpace& mm, std::uint64_t address, std::uint64_t length) {
  const std::uint64_t limit = mm.task_size().raw();
  return length <= limit && address <= limit - length;
}

}  // namespace

SysResult<std::vector<UserBuffer>> import_iovec(mmu::AddressSpace& mm, std::uint64_t address, std::uint64_t count) {
  if (count > kMaxIov) return sys_error(EINVAL);
  std::vector<UserBuffer> buffers(count);
  static_assert(sizeof(UserBuffer) == sizeof(iovec));
  if (mmu::copy_from_user(mm, std::as_writable_bytes(std::span(buffers)), Gva(address)) != 0) return sys_error(EFAULT);
  std::uint64_t left = kMaxRwCount;
  for (UserBuffer& b : buffers) {
    if (static_cast<std::int64_t>(b.length) < 0) return sys_error(EINVAL);
    if (!access_ok(mm, b.address, b.length)) return sys_error(EFAULT);
    b.length = std::min(b.length, left);
    left -= b.length;
  }
  return buffers;
}

SysResult<std::vector<UserBuffer>> import_buffer(mmu::AddressSpace& mm, std::uint64_t address, std::uint64_t length) {
  if (static_cast<std::int64_t>(length) < 0) return sys_error(EINVAL);
  if (!access_ok(mm, address, length)) return sys_error(EFAULT);
  return std::vector<UserBuffer>{{address, std::min(length, kMaxRwCount)}};
}

std::uint64_t total_length(std::span<const UserBuffer> buffers) {
  std::uint64_t total = 0;
  for (const UserBuffer& b : buffers) total += b.length;
  return total;
}

std::vector<iovec> host_pieces(mmu::AddressSpace& mm, std::span<const UserBuffer> buffers, std::uint64_t skip,
                               mmu::UserAccess access) {
  std::vector<iovec> pieces;
  for (const UserBuffer& b : buffers) {
    if (skip >= b.length) {
      skip -= b.length;
      continue;
    }
    const std::uint64_t want = b.length - skip;
    std::uint64_t got = 0;
    for (std::span<std::byte> s :
         mmu::user_spans(mm, Gva(b.address + skip), want, access, kMaxPieces - pieces.size())) {
      pieces.push_back({s.data(), s.size()});
      got += s.size();
    }
    skip = 0;
    if (got < want || pieces.size() == kMaxPieces) break;
  }
  return pieces;
}

}  // namespace faultline::vmm::linux_abi
