// Which coherence sink this KVM needs, found out by trying: a few instructions of user code read
// through a translation that the host changes behind the guest's back, and only what they read
// counts. The loaded module merely says which sink to try first. A few hundred microseconds.
#pragma once

#include <memory>
#include <string>

#include "vmm/kvm/backend.hpp"
#include "vmm/kvm/kvm_vcpu.hpp"
#include "vmm/kvm/sinks.hpp"

namespace faultline::vmm::kvm {

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
  TlbBooks& books;
};

// Tries sinks on `vcpu` until one passes; the vCPU stands at its start state afterwards, with the
// stubs that the chosen sink needs. `wanted` is MachineConfig::sink. Error: `wanted` is no sink's
// name, or no sink that may be tried keeps the guest coherent.
Result<SinkChoice> choose_sink(const std::string& wanted, const BackendInfo& backend, const SinkParts& parts,
                               KvmVcpu& vcpu, mmu::PagingMode mode);

}  // namespace faultline::vmm::kvm
