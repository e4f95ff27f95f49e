#include "vmm/kvm/memory_slots.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
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
    slots_.push_back({covered_, bytes});
    if (auto added = set(slots_.size() - 1); !added) {
      slots_.pop_back();
      return added;
    }
    covered_ += bytes;
  }
  return {};
}

Result<void> MemorySlots::set(std::size_t index) const {
  const Slot& slot = slots_[index];
  return vm_.set_memory_slot(static_cast<std::uint32_t>(index + 1), Gpa(slot.start), slot.bytes,
                             ram_.at(Gpa(slot.start)), logging_ ? KVM_MEM_LOG_DIRTY_PAGES : 0U);
}

Result<void> MemorySlots::log_dirty(bool on) {
  logging_ = on;
  for (std::size_t i = 0; i < slots_.size(); ++i)
    if (auto changed = set(i); !changed) return changed;
  return {};
}

Result<void> MemorySlots::take_dirty(std::vector<Gfn>& frames) {
  if (rings_.empty()) return take_from_log(frames);
  std::size_t taken = 0;
  for (DirtyRing& ring : rings_) {
    taken += ring.take([&](std::uint32_t slot, std::uint64_t page) {
      if (slot != kDummySlot && slot <= slots_.size())
        frames.emplace_back((slots_[slot - 1].start >> kPageShift) + page);
    });
  }
  return taken == 0 ? Result<void>() : DirtyRing::reset(vm_);
}

Result<void> MemorySlots::take_from_log(std::vector<Gfn>& frames) {
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    const std::uint64_t first = slots_[i].start >> kPageShift, pages = slots_[i].bytes >> kPageShift;
    bitmap_.resize(std::max<std::size_t>(bitmap_.size(), (pages + 63) / 64));
    kvm_dirty_log log{};
    log.slot = static_cast<std::uint32_t>(i + 1);
    log.dirty_bitmap = bitmap_.data();
    if (auto got = FL_KVM_IOCTL(vm_.get(), KVM_GET_DIRTY_LOG, &log); !got) return tl::unexpected(got.error());
    for (std::uint64_t word = 0; word < (pages + 63) / 64; ++word)
      for (std::uint64_t bits = bitmap_[word]; bits != 0; bits &= bits - 1)
        frames.emplace_back(first + word * 64 + static_cast<std::uint64_t>(std::countr_zero(bits)));
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
