// Which address spaces one CPU has translations of, and what it must do to enter user code of
// another, or of the same one again.
//
// Linux: choose_new_asid() and the loaded_mm, loaded_mm_asid, next_asid and ctxs[] of cpu_tlbstate
// (arch/x86/mm/tlb.c). A CPU without PCIDs is one with a single slot.
//
// Lazy TLB: whoever works between two stretches of user code leaves the last address space loaded.
// When that one comes back and its generation is the same, there is nothing to do. Linux keeps a
// reference for that, or has the CPU leave an address space that ends; here the owner of the CPU
// asks TlbGenerations::lives() before the CPU runs on, and has it leave.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "mmu/pgtable/tlb_generations.hpp"

namespace faultline::mmu {

class AsidCache {
 public:
  static constexpr unsigned kMaxSlots = 6;  // Linux TLB_NR_DYN_ASIDS

  // Precondition: 1 <= slots <= kMaxSlots.
  explicit AsidCache(unsigned slots);

  enum class Step : std::uint8_t {
    kNothing,      // loaded, and nothing became stale
    kCatchUp,      // loaded; what became stale since `since` is to be dropped from its slot
    kLoadKeeping,  // to be loaded; all that its slot holds is true
    kLoadFlushed,  // to be loaded; nothing that its slot holds may be used
    kLoadAfresh,   // to be loaded; nothing that any slot holds may be used, and no global page
  };
  struct Order {
    Step step = Step::kNothing;
    unsigned slot = 0;
    std::uint64_t since = 0;  // a generation, for kCatchUp
  };
  // What is to be done before user code of `next` runs. It counts as done from here on.
  Order enter(TlbContext next);
  // enter(next) would give kNothing.
  [[nodiscard]] bool settled(TlbContext next) const;

  // The CPU left the address space that was loaded: its slot is free, none is loaded.
  void forget_loaded();
  // It isn't known how far the last order was carried out, or what the CPU had before: no slot holds
  // anything that may be used, nor is there a global page. None is loaded.
  void forget_all();
  // The id of the one that is loaded; 0: none.
  [[nodiscard]] std::uint64_t loaded() const { return loaded_ ? slots_[*loaded_].id : 0; }

 private:
  std::array<TlbContext, kMaxSlots> slots_;  // as it was when the CPU caught up
  std::uint64_t kernel_ = 0;                 // as that was; 0: not known
  unsigned count_;
  unsigned next_ = 0;  // whose turn it is to be replaced
  std::optional<unsigned> loaded_;
};

}  // namespace faultline::mmu
