// Follows pkey_alloc, pkey_free (mm/mprotect.c) and mm_pkey_alloc (arch/x86/include/asm/pkeys.h).
#include "mmu/space/pkeys.hpp"

#include <bit>

#include "mmu/space/operations.hpp"

namespace faultline::mmu {

namespace {
constexpr int kKeys = 16;
constexpr std::uint64_t kAccessMask = 3;  // PKEY_DISABLE_ACCESS, PKEY_DISABLE_WRITE
}  // namespace

bool pkey_allocated(const AddressSpace& mm, int pkey) {
  if (!mm.env().protection_keys || pkey < 0 || pkey >= kKeys) return false;
  return (mm.allocated_pkeys >> pkey & 1) != 0;
}

SysResult<int> do_pkey_alloc(AddressSpace& mm, std::uint64_t flags, std::uint64_t rights) {
  if (flags != 0 || (rights & ~kAccessMask) != 0) return sys_error(EINVAL);
  const int available = mm.env().protection_keys ? kKeys : 1;
  const int pkey = std::countr_one(mm.allocated_pkeys);
  if (pkey >= available) return sys_error(ENOSPC);
  mm.allocated_pkeys = static_cast<std::uint16_t>(mm.allocated_pkeys | 1U << pkey);
  // Linux finds out that the CPU has no keys when it sets the rights, and then cannot free this
  // one: the first call is EINVAL, every later one ENOSPC.
  if (!mm.env().protection_keys) return sys_error(EINVAL);
  return pkey;
}

SysResult<void> do_pkey_free(AddressSpace& mm, int pkey) {
  if (!pkey_allocated(mm, pkey)) return sys_error(EINVAL);
  mm.allocated_pkeys = static_cast<std::uint16_t>(mm.allocated_pkeys & ~(1U << pkey));
  return {};
}

}  // namespace faultline::mmu
