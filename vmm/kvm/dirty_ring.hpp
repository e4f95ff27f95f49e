// KVM's dirty ring of one vCPU: which pages it wrote to, an entry for each, in place of a bitmap of all memory.
// Linux, Documentation/virt/kvm/api.rst, "KVM_CAP_DIRTY_LOG_RING".
#pragma once

#include <cstdint>
#include <functional>

#include "vmm/kvm/system.hpp"

namespace faultline::vmm::kvm {

class DirtyRing {
 public:
  // For a machine without vCPUs yet: those to come have rings, and there is no dirty log any more. Returns
  // the bytes of a ring. Error: this KVM has none.
  static Result<std::size_t> enable(const VmFd& vm);
  // Of a vCPU of such a machine.
  static Result<DirtyRing> of(const VcpuFd& vcpu, std::size_t bytes);

  // Calls `page` for each entry since the last call: the slot, and the page in it. Returns how many there were; KVM
  // notes these pages again after a reset().
  std::size_t take(const std::function<void(std::uint32_t slot, std::uint64_t page)>& page);
  static Result<void> reset(const VmFd& vm);

 private:
  explicit DirtyRing(Mapping ring) : ring_(std::move(ring)) {}

  Mapping ring_;
  std::uint64_t next_ = 0;
};

}  // namespace faultline::vmm::kvm
