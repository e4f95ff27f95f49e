#include "vmm/kvm/dirty_ring.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>

#include <atomic>
#include <cstring>

namespace faultline::vmm::kvm {

Result<std::size_t> DirtyRing::enable(const VmFd& vm) {
  const int most = vm.extension(KVM_CAP_DIRTY_LOG_RING);
  if (most <= 0) return fail("this KVM has no dirty ring (KVM_CAP_DIRTY_LOG_RING)");
  kvm_enable_cap request{};
  request.cap = KVM_CAP_DIRTY_LOG_RING;
  request.args[0] = static_cast<std::uint64_t>(most);
  if (auto enabled = FL_KVM_IOCTL(vm.get(), KVM_ENABLE_CAP, &request); !enabled) return tl::unexpected(enabled.error());
  return static_cast<std::size_t>(most);
}

Result<DirtyRing> DirtyRing::of(const VcpuFd& vcpu, std::size_t bytes) {
  constexpr off_t kOffset = off_t{KVM_DIRTY_LOG_PAGE_OFFSET} << kPageShift;
  void* ring = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu.get(), kOffset);
  if (ring == MAP_FAILED) return fail(fmt::format("cannot map a vCPU's dirty ring: {}", std::strerror(errno)));
  return DirtyRing(Mapping(ring, bytes));
}

std::size_t DirtyRing::take(const std::function<void(std::uint32_t slot, std::uint64_t page)>& page) {
  const std::span<kvm_dirty_gfn> entries(reinterpret_cast<kvm_dirty_gfn*>(ring_.data()),
                                         ring_.size() / sizeof(kvm_dirty_gfn));
  std::size_t taken = 0;
  for (;; ++next_, ++taken) {
    kvm_dirty_gfn& entry = entries[next_ % entries.size()];
    const std::atomic_ref flags(entry.flags);
    if ((flags.load(std::memory_order_acquire) & KVM_DIRTY_GFN_F_DIRTY) == 0) return taken;
    page(entry.slot, entry.offset);
    flags.store(KVM_DIRTY_GFN_F_RESET, std::memory_order_release);
  }
}

Result<void> DirtyRing::reset(const VmFd& vm) {
  auto done = FL_KVM_IOCTL(vm.get(), KVM_RESET_DIRTY_RINGS);
  if (!done) return tl::unexpected(done.error());
  return {};
}

}  // namespace faultline::vmm::kvm
