// Which coherence sink this KVM needs, found out by trying: a few instructions of user code read
// through a translation that the host changes behind the guest's back, and only what they read
// counts. The loaded module merely says which sink to try first. A few hundred microseconds.
#pragma once

#include <optional>
#include <string>

#include "vmm/kvm/backend.hpp"
#include "vmm/kvm/kvm_vcpu.hpp"
#include "vmm/kvm/sinks.hpp"

namespace faultline::vmm::kvm {

// The tables and pages of the probe, in the scratch frames of the monitor area.
class CoherenceProbe {
 public:
  CoherenceProbe(const GuestRam& ram, KvmVcpu& vcpu, mmu::PagingMode mode);

  // Maps the probe's pages and points the vCPU at its code.
  Result<void> prepare();
  // What user code reads through the probed address, or nothing when it faults there.
  Result<std::optional<std::uint64_t>> read();
  // Points the translation at the first or second data page, or nowhere, by a plain store of
  // the host's; returns the frame that it pointed to before.
  enum class Target : std::uint8_t { kFirst, kSecond, kNowhere };
  Gfn change(Target target);
  [[nodiscard]] static std::uint64_t value_of(Target target) { return target == Target::kFirst ? 1 : 2; }
  [[nodiscard]] mmu::TlbBatch batch(const mmu::FrameRange& stale) const;

 private:
  const GuestRam& ram_;
  KvmVcpu& vcpu_;
  mmu::PagingMode mode_;
  Gfn root_, code_, first_, second_;
  std::uint64_t* entry_ = nullptr;
};

struct SinkChoice {
  std::string name;    // "two-dimensional" or "shadow"
  std::string reason;  // one line, for doctor
  StubVariant variant = StubVariant::kPlain;
  std::unique_ptr<mmu::TlbSink> sink;
};

// What a sink may be made of.
struct SinkParts {
  const GuestRam& ram;
  MemorySlots& slots;
  const std::vector<std::unique_ptr<FlushRequest>>& flush_requests;
};

// Tries sinks on `vcpu` until one passes; the vCPU stands at its start state afterwards, with the
// stubs that the chosen sink needs. `wanted` is MachineConfig::sink. Error: `wanted` is no sink's
// name, or no sink that may be tried keeps the guest coherent.
Result<SinkChoice> choose_sink(const std::string& wanted, const BackendInfo& backend, const SinkParts& parts,
                               KvmVcpu& vcpu, mmu::PagingMode mode);

}  // namespace faultline::vmm::kvm
