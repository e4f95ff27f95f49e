// HostedVcpu: how it comes to be, and the state beside the general registers. All of that is in
// memory shared with the stub: none of it costs a system call.
#include <algorithm>
#include <cstring>
#include <vector>

#include "vmm/hosted/hosted_vcpu.hpp"

namespace faultline::vmm::hosted {
namespace {

// SDM vol. 1, "XSAVE Area": x87 control word, MXCSR, and the header behind the legacy region.
constexpr std::size_t kFcw = 0, kMxcsr = 24, kHeader = 512, kHeaderBytes = 64;
constexpr std::uint16_t kInitialFcw = 0x37f;
constexpr std::uint32_t kInitialMxcsr = 0x1f80, kMxcsrMask = 0xffff;

template <class T>
T load(std::span<const std::byte> area, std::size_t at) {
  T value;
  std::memcpy(&value, area.data() + at, sizeof value);
  return value;
}
template <class T>
void store(std::span<std::byte> area, std::size_t at, const T& value) {
  std::memcpy(area.data() + at, &value, sizeof value);
}

bool canonical(std::uint64_t base) { return mmu::is_canonical(Gva(base), mmu::PagingMode::kFourLevel); }

}  // namespace

HostedVcpu::HostedVcpu(std::unique_ptr<StubProcess> stub, const GuestRam& ram, unsigned index, std::size_t limit,
                       std::function<void(HostedVcpu&)> gone)
    : ram_(ram), stub_(std::move(stub)), shadow_(*stub_, ram.memory(), limit), index_(index), gone_(std::move(gone)) {
  capabilities_.backend = "hosted";
  // The host kernel answers some itself: UMIP instructions, split locks.
  capabilities_.precise_exceptions = false;
  capabilities_.whole_user_half = false;
  capabilities_.cpuid_as_told = stub_->cpuid_faults();
}

HostedVcpu::~HostedVcpu() {
  if (gone_) gone_(*this);
}

Result<std::unique_ptr<HostedVcpu>> HostedVcpu::create(const GuestRam& ram, unsigned index, std::size_t limit,
                                                       std::function<void(HostedVcpu&)> gone) {
  const auto place = find_place([](Gva, Gva) { return true; });
  if (!place) return fail("no randomness for the hosted backend: getrandom fails");
  auto stub = StubProcess::start(ram, *place);
  if (!stub) return tl::unexpected(stub.error());
  std::unique_ptr<HostedVcpu> vcpu(new HostedVcpu(std::move(*stub), ram, index, limit, std::move(gone)));
  if (auto done = vcpu->set_up(); !done) return tl::unexpected(done.error());
  return vcpu;
}

// The first frame tells how the host saves extended state; the guest starts with the initial one.
Result<void> HostedVcpu::set_up() {
  if (!stub_->load_frame(frame_)) return fail("the hosted backend's process left no registers at its first stop");
  const auto area = stub_->xsave_area(frame_);
  if (area.size() < kHeader + kHeaderBytes) return fail("the hosted backend's process left no floating-point state");
  const auto note = load<FrameXsaveNote>(area, kXsaveNote);
  if (note.magic != kXsaveNoteMagic || note.xsave_size < kHeader + kHeaderBytes || note.xsave_size > area.size())
    return fail("the hosted backend needs a CPU with XSAVE");
  xsave_features_ = guest_state_components(note.features);
  xsave_bytes_ = std::min<std::size_t>(Cpuid::standard_bytes(xsave_features_), note.xsave_size);
  stub_->set_fs_base(0);
  stub_->set_gs_base(0);
  std::vector<std::byte> initial(xsave_bytes_);
  store(initial, kFcw, kInitialFcw);
  store(initial, kMxcsr, kInitialMxcsr);
  return set_xsave(initial);
}

// General registers are in regs_, and come with the next run.
Result<void> HostedVcpu::move_stub(StubPlace place) {
  std::vector<std::byte> state(xsave_bytes_);
  if (auto done = get_xsave(state); !done) return done;
  const std::uint64_t fs = stub_->fs_base(), gs = stub_->gs_base();
  if (auto moved = stub_->move_to(ram_, place); !moved) return moved;
  shadow_.forget_all();
  if (!stub_->load_frame(frame_)) return fail("the hosted backend's process left no registers at its first stop");
  stub_->set_fs_base(fs);
  stub_->set_gs_base(gs);
  return set_xsave(state);
}

Result<void> HostedVcpu::get_xsave(std::span<std::byte> area) {
  const auto saved = stub_->xsave_area(frame_);
  if (saved.size() < xsave_bytes_) return fail("the guest's process has no floating-point state");
  std::memcpy(area.data(), saved.data(), std::min(area.size(), xsave_bytes_));
  if (area.size() >= kHeader) std::memset(area.data() + kXsaveNote, 0, kHeader - kXsaveNote);
  return {};
}

// The bytes may come from user code (a signal frame): what the CPU would refuse is made harmless.
Result<void> HostedVcpu::set_xsave(std::span<const std::byte> area) {
  const auto saved = stub_->xsave_area(frame_);
  if (saved.size() < xsave_bytes_) return fail("the guest's process has no floating-point state");
  std::vector<std::byte> state(xsave_bytes_);
  std::memcpy(state.data(), area.data(), std::min(area.size(), xsave_bytes_));
  const std::uint32_t mxcsr = load<std::uint32_t>(state, kMxcsr) & kMxcsrMask;
  store(state, kMxcsr, mxcsr);
  const std::uint64_t components = load<std::uint64_t>(state, kHeader) & xsave_features_;
  std::memset(state.data() + kHeader, 0, kHeaderBytes);  // the standard format: XCOMP_BV is 0
  store(state, kHeader, components);
  // The kernel's note on the size of the area stays.
  std::memcpy(state.data() + kXsaveNote, saved.data() + kXsaveNote, sizeof(FrameXsaveNote));
  std::memcpy(saved.data(), state.data(), xsave_bytes_);
  return {};
}

Result<void> HostedVcpu::set_fs_base(std::uint64_t base) {
  if (!canonical(base)) return fail("a segment base must be a canonical address");
  stub_->set_fs_base(base);
  return {};
}
Result<void> HostedVcpu::set_gs_base(std::uint64_t base) {
  if (!canonical(base)) return fail("a segment base must be a canonical address");
  stub_->set_gs_base(base);
  return {};
}

Result<void> HostedVcpu::set_page_table(Gpa root) {
  shadow_.set_root(root.page());
  answered_.reset();  // that fault was another address space's
  return {};
}

}  // namespace faultline::vmm::hosted
