#include "vmm/kvm/memory_slots.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace faultline::vmm::kvm {
namespace {

constexpr std::uint64_t kSmallestSlot = 64ULL << 20;
constexpr std::uint64_t kLargestSlot = 4ULL << 30;
constexpr std::uint32_t kDummySlot = 0;

}  // namespace

Result<void> MemorySlots::extend(Gfn end) {
  const std::uint64_t wanted = std::min(Gpa(end).raw(), ram_.size());
  while (covered_ < wanted) {
    const std::uint64_t bytes = std::min(std::clamp(covered_, kSmallestSlot, kLargestSlot), ram_.size() - covered_);
    if (auto added = vm_.set_memory_slot(next_slot_, Gpa(covered_), bytes, ram_.at(Gpa(covered_))); !added) {
      return added;
    }
    covered_ += bytes;
    ++next_slot_;
  }
  return {};
}

Result<void> MemorySlots::prepare_dummy() {
  if (dummy_.data() != nullptr) return {};
  void* page = ::mmap(nullptr, kPageSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return fail(fmt::format("no memory for the dummy slot: {}", std::strerror(errno)));
  dummy_ = Mapping(page, kPageSize);
  return vm_.set_memory_slot(kDummySlot, Gpa(ram_.size()), kPageSize, dummy_.data());
}

Result<void> MemorySlots::cycle_dummy() {
  if (auto ready = prepare_dummy(); !ready) return ready;
  if (auto gone = vm_.set_memory_slot(kDummySlot, Gpa(ram_.size()), 0, dummy_.data()); !gone) return gone;
  return vm_.set_memory_slot(kDummySlot, Gpa(ram_.size()), kPageSize, dummy_.data());
}

}  // namespace faultline::vmm::kvm
