#include "vmm/fuzz/campaign/shared.hpp"

#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>

namespace faultline::vmm::fuzz {

namespace {
// What no signature is: an empty place, and one that was forgotten, which does not end a search.
constexpr std::uint64_t kEmpty = 0, kForgotten = 1;
}  // namespace

bool Shared::claim_signature(std::uint64_t signature) {
  signature = std::max(signature, kForgotten + 1);
  for (std::size_t i = 0; i < signatures.size(); ++i) {
    auto& place = signatures[(signature + i) % signatures.size()];
    std::uint64_t there = place.load();
    if (there == kEmpty && place.compare_exchange_strong(there, signature)) return true;
    if (there == signature) return false;
  }
  return false;
}

void Shared::forget_signature(std::uint64_t signature) {
  signature = std::max(signature, kForgotten + 1);
  for (auto& place : signatures) {
    std::uint64_t there = signature;
    if (place.compare_exchange_strong(there, kForgotten)) return;
  }
}

Result<SharedMemory> SharedMemory::create() {
  void* at = ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED) return fail(fmt::format("memory for the jobs' figures: {}", std::strerror(errno)));
  return SharedMemory(new (at) Shared());
}

SharedMemory::~SharedMemory() {
  if (at_ != nullptr) ::munmap(at_, sizeof(Shared));
}

}  // namespace faultline::vmm::fuzz
