#include "vmm/hosted/stub_place.hpp"

#include <sys/random.h>

namespace faultline::vmm::hosted {
namespace {

// Below what a program and its libraries have, above the shadow memory of sanitizers.
constexpr std::uint64_t kLowest = 0x1100'0000'0000;
constexpr std::uint64_t kPages = 1ULL << 34;
constexpr std::uint64_t kDistance = 1ULL << 30;
constexpr unsigned kAttempts = 128;

}  // namespace

std::optional<StubPlace> find_place(const std::function<bool(Gva start, Gva end)>& is_free) {
  for (unsigned attempt = 0; attempt < kAttempts; ++attempt) {
    std::uint64_t number = 0;
    if (::getrandom(&number, sizeof number, 0) != sizeof number) return std::nullopt;
    const StubPlace place{Gva(kLowest + number % kPages * kPageSize)};
    const std::uint64_t distance = attempt < kAttempts / 2 ? kDistance : 0;
    if (is_free(place.start - distance, place.end() + distance)) return place;
  }
  return std::nullopt;
}

}  // namespace faultline::vmm::hosted
