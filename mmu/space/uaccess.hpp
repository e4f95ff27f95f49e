// Access to guest user memory on behalf of a system call, through the guest's own page tables
// and with the fault path behind it (Linux copy_from_user, copy_to_user, fault_in, GUP).
// Pages that are not there are faulted in as a kernel-mode access would, counted as one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "mmu/space/address_space.hpp"

namespace faultline::mmu {

enum class UserAccess : std::uint8_t { kRead, kWrite };

// The host bytes behind [address, end of its page), faulted in for `access`; Accessed (and
// Dirty for a write) are set as the CPU would. Error: EFAULT. Never longer than `max_bytes`.
SysResult<std::span<std::byte>> user_bytes(AddressSpace& mm, Gva address, std::uint64_t max_bytes, UserAccess access);

// Host spans behind [address, address + length), in order, at most `max_spans`; stops before
// the first page that cannot be accessed. An empty result for length > 0 means EFAULT.
std::vector<std::span<std::byte>> user_spans(AddressSpace& mm, Gva address, std::uint64_t length, UserAccess access,
                                             std::size_t max_spans = 1024);

// Returns the number of bytes NOT copied (0 = success), as Linux's do.
std::uint64_t copy_from_user(AddressSpace& mm, std::span<std::byte> to, Gva from);
std::uint64_t copy_to_user(AddressSpace& mm, Gva to, std::span<const std::byte> from);
std::uint64_t clear_user(AddressSpace& mm, Gva to, std::uint64_t bytes);

// A NUL-terminated string of at most `max_bytes` bytes, the NUL excluded. EFAULT, or
// ENAMETOOLONG when there is no NUL in time.
SysResult<std::string> string_from_user(AddressSpace& mm, Gva from, std::uint64_t max_bytes);

template <class T>
SysResult<T> get_user(AddressSpace& mm, Gva from) {
  static_assert(std::is_trivially_copyable_v<T>);
  T value;
  if (copy_from_user(mm, std::as_writable_bytes(std::span(&value, 1)), from) != 0) return sys_error(EFAULT);
  return value;
}
template <class T>
SysResult<void> put_user(AddressSpace& mm, Gva to, const T& value) {
  static_assert(std::is_trivially_copyable_v<T>);
  if (copy_to_user(mm, to, std::as_bytes(std::span(&value, 1))) != 0) return sys_error(EFAULT);
  return {};
}

// Linux access_remote_vm with FOLL_FORCE, what /proc/PID/mem does: past the rights of the VMA, as
// a debugger needs; a write to a read-only private area goes to a copy that stays read-only.
// Returns how many bytes were read or written before the first that could not be.
std::uint64_t read_remote(AddressSpace& mm, std::span<std::byte> to, Gva from);
std::uint64_t write_remote(AddressSpace& mm, Gva to, std::span<const std::byte> from);

// Copies guest memory without touching it: no fault, no A/D. For reports and inspection.
// Returns the number of bytes copied before the first unmapped page.
std::uint64_t peek_user(const AddressSpace& mm, std::span<std::byte> to, Gva from);

}  // namespace faultline::mmu
