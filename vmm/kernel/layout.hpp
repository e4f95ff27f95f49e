// Where a kernel program and what the host gives it lie. The same addresses with four levels and
// five, but for the vmalloc area, which has an entry of the root to itself.
#pragma once

#include "mmu/arch/paging_mode.hpp"

namespace faultline::vmm::kernel {

// The program itself: the last 2 GiB, as Linux's __START_KERNEL_map.
inline constexpr Gva kImageStart{0xffff'ffff'8000'0000};
inline constexpr std::uint64_t kMaxImageBytes = 64ULL << 20;

// The stack, between two pages that are never mapped.
inline constexpr Gva kStackBottom{0xffff'fe00'0000'1000};
inline constexpr std::uint64_t kStackBytes = 16 << 10;
inline constexpr Gva kStackTop = kStackBottom + kStackBytes;
inline constexpr Gva kStackGuard = kStackBottom - kPageSize;

// A device's registers: in no slot of guest memory.
inline constexpr Gva kDevice{0xffff'fe80'0000'0000};
inline constexpr Gpa kDevicePhysical{0xfe00'0000};
inline constexpr std::uint64_t kMaxMemory = 3ULL << 30;

// The part of the address space that vmalloc gives out, one page free between two areas.
constexpr Gva vmalloc_start(mmu::PagingMode mode) {
  return mode == mmu::PagingMode::kFiveLevel ? Gva(0xffa0'0000'0000'0000) : Gva(0xffff'c900'0000'0000);
}
inline constexpr std::uint64_t kVmallocBytes = 1ULL << 30;

}  // namespace faultline::vmm::kernel
