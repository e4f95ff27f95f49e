// The two coherence sinks of KVM machines. docs/coherence.md has what was measured and why.
#pragma once

#include "mmu/ports/tlb_sink.hpp"
#include "vmm/kvm/guest_tlb.hpp"
#include "vmm/kvm/memory_slots.hpp"

namespace faultline::vmm::kvm {

// Two-dimensional paging: the CPU walks the guest's tables itself, so that the host's edit is
// seen after an ordinary TLB flush. Notes what is stale; each vCPU sees to it before it runs user
// code of that address space again.
class TwoDimensionalSink final : public mmu::TlbSink {
 public:
  // `books`: what the machine's vCPUs go by; must outlive this.
  explicit TwoDimensionalSink(TlbBooks& books) : books_(books) {}
  mmu::TlbAction flush(const mmu::TlbBatch& batch) override;
  [[nodiscard]] bool tables_reusable_after_flush() const override { return true; }
  mmu::TlbAction drop_all() override;
  mmu::TlbAction end(Gpa root) override;

 private:
  TlbBooks& books_;
};

// Shadow paging: KVM keeps its own copy of the guest's tables and is told nothing of a host's
// write to them. Taking a page out of the host's mapping of guest RAM makes KVM's MMU notifier
// drop every shadow entry that points to it; the page itself stays in the memfd. Large batches,
// and everything that concerns table pages, go by deleting and re-adding a memory slot, upon
// which KVM drops all shadow pages.
class ShadowSink final : public mmu::TlbSink {
 public:
  // One range costs 1.4 us and 0.1 us a page; a full drop 30 to 400 us, and then 3.5 us for every
  // page that the guest still uses (measured on PVM, docs/coherence.md). Beyond these the full
  // drop wins even for a guest that uses some thousand pages.
  static constexpr std::size_t kMaxRangesByFrame = 4096;
  static constexpr std::uint64_t kMaxPagesByFrame = 65536;

  ShadowSink(MemorySlots& slots, const GuestRam& ram) : slots_(slots), ram_(ram) {}
  mmu::TlbAction flush(const mmu::TlbBatch& batch) override;
  [[nodiscard]] bool tables_reusable_after_flush() const override { return false; }
  mmu::TlbAction drop_all() override;

 private:
  MemorySlots& slots_;
  const GuestRam& ram_;
};

}  // namespace faultline::vmm::kvm
