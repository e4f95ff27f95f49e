// The smallest guest there is: one page of user code and one page of data behind a translation
// that the host may change. Lives in the scratch frames of the monitor area. The choice of the
// sink and doctor's probes run in it.
#pragma once

#include <optional>
#include <span>

#include "mmu/arch/pte.hpp"
#include "mmu/ports/tlb_sink.hpp"
#include "vmm/kvm/kvm_vcpu.hpp"

namespace faultline::vmm::kvm {

class ProbeGuest {
 public:
  static constexpr Gva kCode{0x40'0000};
  static constexpr Gva kData = kCode + kPageSize;

  // `ram` and `vcpu` outlive this.
  ProbeGuest(const GuestRam& ram, KvmVcpu& vcpu, mmu::PagingMode mode) : ram_(ram), vcpu_(vcpu), mode_(mode) {}

  // Builds the tables and switches the vCPU to them. Where an earlier ProbeGuest ran on the same
  // machine the sink must drop everything afterwards.
  Result<void> prepare();

  // Runs `code` from the start with RDI = kData and flags `rflags`, to its first event.
  Result<VcpuEvent> run(std::span<const std::uint8_t> code, std::uint64_t rflags = 0x202);
  // What user code reads at kData, or nothing when it faults there. Error: it did neither.
  Result<std::optional<std::uint64_t>> read();

  // Where kData leads, by a plain store of the host's; returns the entry's frame before.
  enum class Target : std::uint8_t { kFirst, kSecond, kNowhere };
  Gfn change(Target target);
  // The word at the beginning of the data page.
  [[nodiscard]] static std::uint64_t value_of(Target target) { return target == Target::kFirst ? 1 : 2; }
  [[nodiscard]] Gpa root() const { return Gpa(root_); }
  // The entry of kData as it is now, A and D included; and to set bits of it.
  [[nodiscard]] mmu::Pte entry() const { return mmu::Pte(*entry_); }
  void set_entry(mmu::Pte value);
  [[nodiscard]] mmu::TlbBatch batch(const mmu::FrameRange& stale) const;

 private:
  const GuestRam& ram_;
  KvmVcpu& vcpu_;
  mmu::PagingMode mode_;
  Gfn root_, code_, first_, second_;
  std::uint64_t* entry_ = nullptr;
};

}  // namespace faultline::vmm::kvm
