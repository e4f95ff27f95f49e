// The walks of madvise and msync go on behind holes: an absurd length takes them to what is a judge's own in a process.
// Such a call is made twice, up to there and from behind it. There are holes on both sides of it (kMargin of
// layout.hpp), so that the whole call would have come to the same.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include "mmu/base/address.hpp"

namespace faultline::vmm::fuzz {

// Whether the `length` bytes from `start` on, rounded to pages as the kernel rounds them, hold `address`. A length that
// rounds to nothing goes nowhere.
[[nodiscard]] constexpr bool range_holds(std::uint64_t start, std::uint64_t length, std::uint64_t address) {
  const std::uint64_t end = start + page_align(length);
  return start <= address && address < end;
}

// The two calls.
struct Around {
  std::uint64_t length = 0;                   // from where the whole starts
  std::uint64_t again = 0, again_length = 0;  // where the second starts; 0: it has nothing to do
};
// Nothing: the call does not get as far as [own_start, own_end), or not from below.
[[nodiscard]] constexpr std::optional<Around> around(std::uint64_t start, std::uint64_t length, std::uint64_t own_start,
                                                     std::uint64_t own_end) {
  if (!range_holds(start, length, own_start)) return std::nullopt;
  const std::uint64_t end = start + page_align(length);
  return Around{own_start - start, own_end, std::max(end, own_end) - own_end};
}

// Advice that ends at the first hole (MADV_POPULATE_READ, MADV_POPULATE_WRITE); other advice goes on behind it.
inline constexpr int kPopulateRead = 22, kPopulateWrite = 23;
[[nodiscard]] constexpr bool ends_at_holes(int advice) { return advice == kPopulateRead || advice == kPopulateWrite; }

// What the whole call returns: 0 or -errno, as `first` is and what `second()` returns.
template <class Second>
std::int64_t result_around(std::int64_t first, bool at_first_hole, Second second) {
  constexpr std::int64_t kNoMemory = -12;  // of a hole
  if (first != 0 && first != kNoMemory) return first;
  if (at_first_hole) return kNoMemory;
  const std::int64_t result = second();
  return result != 0 ? result : kNoMemory;
}

}  // namespace faultline::vmm::fuzz
