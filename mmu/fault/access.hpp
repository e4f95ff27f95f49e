// Does the VMA allow the access (Linux access_error)?
#pragma once

#include "mmu/arch/error_code.hpp"
#include "mmu/space/vm_flags.hpp"

namespace faultline::mmu {

// True when the access is an error, protection keys of the VMA aside. VM_EXEC is never asked
// for: a fetch from a page that is not present faults it in and faults again on NX.
constexpr bool access_error(ErrorCode error, VmFlags flags) {
  if (error.protection_key()) return true;
  if (error.write()) return !flags.has(VmFlags::kWrite);
  if (error.present()) return true;  // a read that the present entry denies
  return !flags.accessible();
}

}  // namespace faultline::mmu
