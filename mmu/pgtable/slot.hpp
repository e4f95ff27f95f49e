// One paging-structure entry in guest memory. The only code that loads or stores one: the
// CPU sets A and D behind our back, so every access is atomic and no update is a blind store
// over a live entry.
#pragma once

#include <atomic>
#include <cstdint>

#include "mmu/arch/pte.hpp"
#include "mmu/phys/phys_memory.hpp"

namespace faultline::mmu {

class PteSlot {
 public:
  PteSlot() = default;
  // Entry `index` of the table in `table`. Precondition: the frame is inside memory.
  PteSlot(const PhysMemory& memory, Gfn table, unsigned index)
      : entry_(reinterpret_cast<std::uint64_t*>(memory.page(table).data()) + index),
        address_(Gpa(table) + index * sizeof(std::uint64_t)) {}

  [[nodiscard]] bool valid() const { return entry_ != nullptr; }
  [[nodiscard]] Gpa address() const { return address_; }
  [[nodiscard]] Pte load() const { return Pte(ref().load(std::memory_order_acquire)); }
  // Sets flags the way a processor sets Accessed and Dirty: only if the entry still is what was
  // read. False when it is not; then the walk has to begin again.
  [[nodiscard]] bool set_if_still(Pte seen, std::uint64_t flags) const {
    return seen.has(flags) || compare_exchange(seen, seen.with(flags));
  }

 private:
  friend class PtEditor;
  [[nodiscard]] std::atomic_ref<std::uint64_t> ref() const { return std::atomic_ref<std::uint64_t>(*entry_); }
  [[nodiscard]] Pte exchange(Pte v) const { return Pte(ref().exchange(v.raw(), std::memory_order_acq_rel)); }
  // A plain store into an entry that is zero; false when it is not. Nobody races: other editors
  // are kept out by the caller's lock, and the CPU leaves entries with P=0 alone. Unlike a locked
  // instruction it does not wait for the zeroing of the page to reach the cache (Linux set_pte).
  [[nodiscard]] bool store_if_none(Pte v) const {
    if (ref().load(std::memory_order_relaxed) != 0) return false;
    ref().store(v.raw(), std::memory_order_release);
    return true;
  }
  // Atomic, so that A and D which the CPU sets meanwhile stay.
  void clear_bits(std::uint64_t mask) const { ref().fetch_and(~mask, std::memory_order_acq_rel); }
  bool compare_exchange(Pte& expected, Pte desired) const {
    std::uint64_t e = expected.raw();
    const bool done = ref().compare_exchange_strong(e, desired.raw(), std::memory_order_acq_rel);
    expected = Pte(e);
    return done;
  }

  std::uint64_t* entry_ = nullptr;
  Gpa address_;
};

}  // namespace faultline::mmu
