#include "vmm/fuzz/trace.hpp"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace faultline::vmm::fuzz {

std::uint64_t content_hash(std::span<const std::byte> page) { return XXH3_64bits(page.data(), page.size()); }

GuestCost& GuestCost::operator+=(const GuestCost& other) {
  inside_ns += other.inside_ns;
  control_ns += other.control_ns;
  entries += other.entries;
  faults += other.faults;
  exceptions += other.exceptions;
  list_ends += other.list_ends;
  others += other.others;
  steps += other.steps;
  switches += other.switches;
  flushes += other.flushes;
  full_drops += other.full_drops;
  return *this;
}

}  // namespace faultline::vmm::fuzz
