// KvmVcpu: state beside the general registers. Rarely asked for, one or two ioctls each.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "vmm/kvm/kvm_vcpu.hpp"

namespace faultline::vmm::kvm {
namespace {

// SDM vol. 1, "XSAVE Area": the header follows the 512 bytes of the legacy region.
constexpr std::size_t kMxcsr = 24, kHeader = 512, kHeaderBytes = 64;
constexpr std::uint32_t kMxcsrMask = 0xffff;

}  // namespace

Result<void> KvmVcpu::get_xsave(std::span<std::byte> area) {
  kvm_xsave state{};
  if (auto done = FL_KVM_IOCTL(vcpu_.get(), KVM_GET_XSAVE, &state); !done) return tl::unexpected(done.error());
  auto* bytes = reinterpret_cast<std::byte*>(state.region);
  std::uint64_t components = 0;
  std::memcpy(&components, bytes + kHeader, sizeof components);
  components &= model_.xsave_features;
  std::memcpy(bytes + kHeader, &components, sizeof components);
  std::memcpy(area.data(), bytes, std::min(area.size(), sizeof state));
  return {};
}

// The bytes may come from user code (a signal frame): what KVM would refuse is made harmless,
// as Linux does before it restores a frame.
Result<void> KvmVcpu::set_xsave(std::span<const std::byte> area) {
  kvm_xsave state{};
  auto* bytes = reinterpret_cast<std::byte*>(state.region);
  std::memcpy(bytes, area.data(), std::min({area.size(), model_.xsave_bytes, sizeof state}));
  std::uint32_t mxcsr = 0;
  std::memcpy(&mxcsr, bytes + kMxcsr, sizeof mxcsr);
  mxcsr &= kMxcsrMask;
  std::memcpy(bytes + kMxcsr, &mxcsr, sizeof mxcsr);
  std::uint64_t components = 0;
  std::memcpy(&components, bytes + kHeader, sizeof components);
  components &= model_.xsave_features;
  std::memset(bytes + kHeader, 0, kHeaderBytes);  // the standard format: XCOMP_BV is 0
  std::memcpy(bytes + kHeader, &components, sizeof components);
  if (auto done = FL_KVM_IOCTL(vcpu_.get(), KVM_SET_XSAVE, &state); !done) return tl::unexpected(done.error());
  return {};
}

Result<void> KvmVcpu::change_now(auto&& change) {
  auto sregs = special_.get();
  if (!sregs) return tl::unexpected(sregs.error());
  change(*sregs);
  return special_.set_now(*sregs);
}

// The stub runs on the tables that are loaded. When those are gone the vCPU goes over to the
// machine's own first (Linux leave_mm). Out of user code, to the resume stub, when it has work there.
Result<void> KvmVcpu::make_stub_usable() {
  const bool lost = tlb_.lost(), leaves = position_ == Position::kInUser && (lost || !tlb_.settled(root_));
  if (!lost && !leaves) return {};
  auto done = change_now([&](kvm_sregs& s) {
    if (lost) s.cr3 = Gpa(kKernelHalfFrame).raw();
    if (!leaves) return;
    s.cs.selector = FL_KERNEL_CS;
    s.ss.selector = FL_KERNEL_SS;
    s.cs.dpl = s.ss.dpl = 0;
  });
  if (!done) return done;
  if (lost) tlb_.left();
  if (leaves) position_ = Position::kAtResume;
  return {};
}

Result<std::uint64_t> KvmVcpu::fs_base() {
  return special_.get().map([](const kvm_sregs& s) { return std::uint64_t{s.fs.base}; });
}
// VMX fails the next entry over a base that is not canonical; user code's own WRFSBASE is #GP.
Result<void> KvmVcpu::require_canonical(std::uint64_t base) const {
  if (mmu::is_canonical(Gva(base), mode())) return {};
  return fail(fmt::format("segment base {:#x} is not canonical", base));
}

Result<void> KvmVcpu::set_fs_base(std::uint64_t base) {
  if (auto valid = require_canonical(base); !valid) return valid;
  return change_now([&](kvm_sregs& s) { s.fs.base = base; });
}
Result<std::uint64_t> KvmVcpu::gs_base() {
  return special_.get().map([](const kvm_sregs& s) { return std::uint64_t{s.gs.base}; });
}
Result<void> KvmVcpu::set_gs_base(std::uint64_t base) {
  if (auto valid = require_canonical(base); !valid) return valid;
  return change_now([&](kvm_sregs& s) { s.gs.base = base; });
}

// Without NXE the monitor area's own NX bits would be reserved ones, and every entry of a stub a fault.
Result<bool> KvmVcpu::set_control(ControlBit bit, bool on) {
  if (bit == ControlBit::kNoExecuteEnable) return false;
  constexpr std::uint64_t kCr0Wp = 1U << 16;
  auto done = change_now([&](kvm_sregs& s) { s.cr0 = on ? s.cr0 | kCr0Wp : s.cr0 & ~kCr0Wp; });
  if (!done) return tl::unexpected(done.error());
  return true;
}

Result<void> KvmVcpu::set_page_table(Gpa root) {
  if (loads_in_stub()) {
    tlb_.asked();
    root_ = root;
    return {};
  }
  auto sregs = special_.get();
  if (!sregs) return tl::unexpected(sregs.error());
  sregs->cr3 = root.raw();
  auto done = special_.set(*sregs);
  if (done) root_ = root;
  return done;
}

Result<SegmentBases> KvmVcpu::switch_process(Gpa root, SegmentBases bases) {
  for (const std::uint64_t base : {bases.fs, bases.gs})
    if (auto valid = require_canonical(base); !valid) return tl::unexpected(valid.error());
  auto sregs = special_.get();
  if (!sregs) return tl::unexpected(sregs.error());
  const SegmentBases before{sregs->fs.base, sregs->gs.base};
  // A vfork child and its parent have it all in common. A stub loads CR3 by itself, when need be.
  const std::uint64_t cr3 = loads_in_stub() ? sregs->cr3 : root.raw();
  const bool same = before.fs == bases.fs && before.gs == bases.gs && sregs->cr3 == cr3;
  if (!same) {
    sregs->fs.base = bases.fs;
    sregs->gs.base = bases.gs;
    sregs->cr3 = cr3;
    if (auto set = special_.set(*sregs); !set) return tl::unexpected(set.error());
  }
  if (loads_in_stub()) tlb_.asked();
  root_ = root;
  return before;
}

}  // namespace faultline::vmm::kvm
