#include "vmm/fuzz/trace.hpp"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace faultline::vmm::fuzz {

std::uint64_t content_hash(std::span<const std::byte> page) { return XXH3_64bits(page.data(), page.size()); }

}  // namespace faultline::vmm::fuzz
