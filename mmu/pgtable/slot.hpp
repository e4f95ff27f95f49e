// One paging-structure entry in guest memory. The only code that loads or stores one: the
// CPU sets A and D behind our back, so every access is atomic and no update is a blind store
// over a live entry.
#pragma once

#include <atomic>
#include <cstdint>

#include "mmu/arch/narrow_pte.hpp"
#include "mmu/arch/pte.hpp"
#include "mmu/phys/phys_memory.hpp"

namespace faultline::mmu {

class PteSlot {
 public:
  PteSlot() = default;
  // Entry `index` of the table in `table`, in the format of `mode`. Precondition: the frame is
  // inside memory.
  PteSlot(const PhysMemory& memory, Gfn table, unsigned index, PagingMode mode = PagingMode::kFourLevel)
      : entry_(memory.page(table).data() + index * entry_bytes(mode)),
        address_(Gpa(table) + index * entry_bytes(mode)),
        narrow_(entry_bytes(mode) == 4) {}
  // The entry for `va` of `table`, a table of `level`.
  [[nodiscard]] static PteSlot of(const PhysMemory& memory, Gfn table, Gva va, Level level, PagingMode mode) {
    return {memory, table, table_index(va, level, mode), mode};
  }

  [[nodiscard]] bool valid() const { return entry_ != nullptr; }
  [[nodiscard]] Gpa address() const { return address_; }
  [[nodiscard]] Pte load() const {
    if (narrow_) return widen(narrow_ref().load(std::memory_order_acquire));
    return Pte(ref().load(std::memory_order_acquire));
  }
  // Sets flags the way a processor sets Accessed and Dirty: only if the entry still is what was
  // read. False when it is not; then the walk has to begin again.
  [[nodiscard]] bool set_if_still(Pte seen, std::uint64_t flags) const {
    return seen.has(flags) || compare_exchange(seen, seen.with(flags));
  }

 private:
  friend class PtEditor;
  [[nodiscard]] std::atomic_ref<std::uint64_t> ref() const {
    return std::atomic_ref<std::uint64_t>(*reinterpret_cast<std::uint64_t*>(entry_));
  }
  [[nodiscard]] std::atomic_ref<std::uint32_t> narrow_ref() const {
    return std::atomic_ref<std::uint32_t>(*reinterpret_cast<std::uint32_t*>(entry_));
  }
  [[nodiscard]] Pte exchange(Pte v) const {
    if (narrow_) return widen(narrow_ref().exchange(narrow(v), std::memory_order_acq_rel));
    return Pte(ref().exchange(v.raw(), std::memory_order_acq_rel));
  }
  // A plain store into an entry that is zero; false when it is not. Nobody races: other editors
  // are kept out by the caller's lock, and the CPU leaves entries with P=0 alone. Unlike a locked
  // instruction it does not wait for the zeroing of the page to reach the cache (Linux set_pte).
  [[nodiscard]] bool store_if_none(Pte v) const {
    if (narrow_) return store_narrow_if_none(v);
    if (ref().load(std::memory_order_relaxed) != 0) return false;
    ref().store(v.raw(), std::memory_order_release);
    return true;
  }
  // Atomic, so that A and D which the CPU sets meanwhile stay.
  void clear_bits(std::uint64_t mask) const {
    if (narrow_) {
      narrow_ref().fetch_and(~static_cast<std::uint32_t>(mask), std::memory_order_acq_rel);
    } else {
      ref().fetch_and(~mask, std::memory_order_acq_rel);
    }
  }
  bool compare_exchange(Pte& expected, Pte desired) const {
    if (narrow_) return compare_exchange_narrow(expected, desired);
    std::uint64_t e = expected.raw();
    const bool done = ref().compare_exchange_strong(e, desired.raw(), std::memory_order_acq_rel);
    expected = Pte(e);
    return done;
  }

  [[nodiscard]] bool store_narrow_if_none(Pte v) const {
    if (narrow_ref().load(std::memory_order_relaxed) != 0) return false;
    narrow_ref().store(narrow(v), std::memory_order_release);
    return true;
  }
  bool compare_exchange_narrow(Pte& expected, Pte desired) const {
    std::uint32_t e = narrow(expected);
    const bool done = narrow_ref().compare_exchange_strong(e, narrow(desired), std::memory_order_acq_rel);
    expected = widen(e);
    return done;
  }

  std::byte* entry_ = nullptr;
  Gpa address_;
  bool narrow_ = false;  // 4 bytes
};

}  // namespace faultline::mmu
