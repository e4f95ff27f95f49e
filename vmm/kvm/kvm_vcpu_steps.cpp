// KvmVcpu: page tables that user code goes over to by itself. The stub of INT3 loads them
// (guest/stubs/entry.S); docs/adr/0009.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "vmm/kvm/kvm_vcpu.hpp"

namespace faultline::vmm::kvm {

Result<void> KvmVcpu::set_page_table_steps(std::span<const Gpa> roots) {
  if (roots.size() > FL_MAX_STEPS)
    return fail(fmt::format("{} page tables to go over to, of at most {}", roots.size(), FL_MAX_STEPS));
  std::array<std::uint64_t, FL_MAX_STEPS> values;
  std::ranges::transform(roots, values.begin(), GuestTlb::step_value);
  area_.set_steps(std::span(values).first(roots.size()));
  steps_.assign(roots.begin(), roots.end());
  steps_followed_ = 0;
  return {};
}

// KVM was left: user code may have other tables than when it was entered.
void KvmVcpu::follow_steps() {
  const std::size_t taken = std::min(area_.steps_taken(), steps_.size());
  if (taken == steps_followed_) return;
  steps_followed_ = taken;
  root_ = steps_[taken - 1];
  if (loads_in_stub()) tlb_.stepped(root_);
}

// A signal in the middle of a step: no event comes of it, and the kick must not wait for one that
// may never come. So the step goes back to an address that user code may not execute.
void KvmVcpu::bounce_off_step() {
  StubFrame& frame = area_.frame(3);
  if (!bounced_from_) bounced_from_ = std::exchange(frame.rip, kResumeStub.raw());
}

// Whether the event in `frame` comes of that, or the step was none; the frame is user code's own again.
bool KvmVcpu::take_bounce(StubFrame& frame) {
  if (!bounced_from_ || frame.rip != kResumeStub.raw()) return false;
  frame.rip = *bounced_from_;
  bounced_from_.reset();
  return true;
}

}  // namespace faultline::vmm::kvm
