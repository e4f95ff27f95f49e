#include "vmm/kvm/kvm_vcpu.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "mmu/arch/vector.hpp"
#include "vmm/host/clock.hpp"
#include "vmm/kvm/fatal.hpp"
#include "vmm/kvm/kick_signal.hpp"

namespace faultline::vmm::kvm {
namespace {

// RFLAGS that user code owns: CF PF AF ZF SF TF DF OF NT RF AC ID. IOPL, VM, VIF and VIP are not
// its to have; IF is always set and bit 1 is fixed.
constexpr std::uint64_t kUserFlags = 0x25'4dd5;
constexpr std::uint64_t kForcedFlags = 0x202;

constexpr std::uint64_t kTrapFlag = 1U << 8;

using mmu::vector::kDebug, mmu::vector::kDoubleFault, mmu::vector::kGeneralProtection, mmu::vector::kPageFault;

bool in_upper_half(Gva address) { return address.raw() >> 63 != 0; }

// The OUT of a stub lies behind the pushes: at or before it the event is still to come, behind
// it user code is about to run on.
bool behind_the_out(Gva rip) {
  const std::uint64_t offset = rip.page_offset();
  constexpr std::uint64_t kOutBytes = 2, kPushZero = 2, kPushRaxAndMovCr2 = 4;
  if (in_step_stub(rip)) return false;
  if (offset >= FL_STUB_RESUME) return true;
  if (offset >= FL_STUB_SYSCALL) return offset >= FL_STUB_SYSCALL + kOutBytes;
  const auto vector = static_cast<unsigned>(offset / FL_STUB_BYTES);
  const bool pushes_zero = ((FL_VECTORS_WITH_ERROR_CODE >> vector) & 1) == 0;
  return offset % FL_STUB_BYTES >= kPushRaxAndMovCr2 + (pushes_zero ? kPushZero : 0) + kOutBytes;
}

// kvm_regs has its own order; UserRegs the hardware's encoding order.
void to_kvm(const UserRegs& from, kvm_regs& to) {
  to.rax = from.gpr[0], to.rcx = from.gpr[1], to.rdx = from.gpr[2], to.rbx = from.gpr[3];
  to.rsp = from.gpr[4], to.rbp = from.gpr[5], to.rsi = from.gpr[6], to.rdi = from.gpr[7];
  to.r8 = from.gpr[8], to.r9 = from.gpr[9], to.r10 = from.gpr[10], to.r11 = from.gpr[11];
  to.r12 = from.gpr[12], to.r13 = from.gpr[13], to.r14 = from.gpr[14], to.r15 = from.gpr[15];
}

void from_kvm(const kvm_regs& from, UserRegs& to) {
  to.gpr = {from.rax, from.rcx, from.rdx, from.rbx, from.rsp, from.rbp, from.rsi, from.rdi,
            from.r8,  from.r9,  from.r10, from.r11, from.r12, from.r13, from.r14, from.r15};
}

}  // namespace

KvmVcpu::KvmVcpu(VcpuFd vcpu, unsigned index, const CpuModel& model, const GuestRam& ram, GuestTlb tlb,
                 VcpuCapabilities capabilities, Gpa root)
    : vcpu_(std::move(vcpu)),
      special_(vcpu_, model.sregs_in_run_area),
      index_(index),
      model_(model),
      ram_(ram),
      area_(ram, index),
      tlb_(std::move(tlb)),
      capabilities_(std::move(capabilities)),
      root_(root) {
  vcpu_.run().kvm_valid_regs = KVM_SYNC_X86_REGS;
}

Result<void> KvmVcpu::restart(StubVariant variant) {
  // Let KVM complete an OUT first: only then is RIP ours to set.
  std::atomic_ref(vcpu_.run().immediate_exit).store(1, std::memory_order_seq_cst);
  const int status = enter();
  std::atomic_ref(vcpu_.run().immediate_exit).store(0, std::memory_order_seq_cst);
  if (status != EINTR) return fail(fmt::format("KVM_RUN with immediate_exit: {}", std::strerror(status)));
  kicked_.store(false, std::memory_order_seq_cst);
  root_ = Gpa(kKernelHalfFrame);
  static_cast<void>(set_page_table_steps({}));
  bounced_from_.reset();
  variant_ = variant;
  position_ = Position::kAtResume;
  dead_ = false;
  regs_ = UserRegs{};
  special_.forget();
  const auto taken = reset_registers(vcpu_, model_, area_, root_, loads_in_stub() ? model_.tlb : TlbFeatures{});
  if (!taken) return tl::unexpected(taken.error());
  tlb_.restart(*taken);
  return {};
}

Result<VcpuEvent> KvmVcpu::run() {
  entries_ = 0;
  if (take_kick()) return VcpuEvent{InterruptedEvent{}};
  if (dead_) return VcpuEvent{FatalEvent{"the vCPU stopped for good before", ""}};
  // An IRETQ to such an address faults in the stub. Linux reports it as user code's own #GP.
  if (!mmu::is_canonical(Gva(regs_.rip), mode())) {
    return VcpuEvent{ExceptionEvent{kGeneralProtection, 0}};
  }
  if (loads_in_stub()) {
    if (auto usable = make_stub_usable(); !usable) return tl::unexpected(usable.error());
  }
  position_ == Position::kInUser ? prepare_user() : prepare_resume();
  for (;;) {
    const int status = enter();
    if (!steps_.empty()) follow_steps();
    if (status == 0 && return_to_stub()) continue;
    if (status == 0) return decode_exit();
    if (status != EINTR && status != EAGAIN) {
      dead_ = true;  // registers that were to be set may not be
      return fail(fmt::format("KVM_RUN: {}", std::strerror(status)));
    }
    auto event = after_signal();
    if (!event) return tl::unexpected(event.error());
    if (*event) return **event;
  }
}

// Fills the IRETQ frame at the top of the CPL0 stack and the registers.
void KvmVcpu::prepare_resume() {
  StubFrame& frame = area_.frame(kPageFault);
  frame.rip = regs_.rip;
  frame.cs = FL_USER_CS;
  frame.rflags = (regs_.rflags & kUserFlags) | kForcedFlags;
  frame.rsp = regs_[UserRegs::kRsp];
  frame.ss = FL_USER_SS;

  kvm_run& run = vcpu_.run();
  kvm_regs& regs = run.s.regs.regs;
  to_kvm(regs_, regs);
  regs.rsp = area_.rsp0().raw() - kIretFrameBytes;
  if (loads_in_stub()) {
    frame.error_code = regs.rax;  // the stub pops it
    regs.rsp -= sizeof(std::uint64_t);
    regs.rax = place_order();
    if (regs.rax <= FL_MAX_INVALIDATIONS) regs.rsp -= regs.rax * sizeof(InvpcidDescriptor);
  }
  if (position_ == Position::kAtResume) {
    regs.rip = kResumeStub.raw();
    regs.rflags = 2;
  }
  run.kvm_dirty_regs |= KVM_SYNC_X86_REGS;
  edited_ = false;
}

// What the stub is to do before its IRETQ, and what it needs for that (guest/stubs/entry.S).
std::uint64_t KvmVcpu::place_order() {
  const TlbOrder order = tlb_.order(root_);
  FL_CHECK(order.pages.size() <= FL_MAX_INVALIDATIONS);
  const auto pages = std::as_bytes(std::span(order.pages));
  if (pages.empty()) return order.cr3;
  std::ranges::copy(pages, area_.below_frame(pages.size()).begin());
  return order.pages.size();
}

// Interrupted in the middle of user code: RIP and RFLAGS are the vCPU's own.
void KvmVcpu::prepare_user() {
  if (!edited_) return;
  kvm_run& run = vcpu_.run();
  kvm_regs& regs = run.s.regs.regs;
  to_kvm(regs_, regs);
  regs.rip = regs_.rip;
  regs.rflags = (regs_.rflags & kUserFlags) | kForcedFlags;
  run.kvm_dirty_regs |= KVM_SYNC_X86_REGS;
  edited_ = false;
}

int KvmVcpu::enter() {
  static thread_local const pid_t self = [] {
    unblock_kick_signal();
    return static_cast<pid_t>(::syscall(SYS_gettid));
  }();
  thread_.store(self, std::memory_order_seq_cst);
  ++entries_;
  special_.entering();
  times_.entered_ns = monotonic_ns();
  const int result = ::ioctl(vcpu_.get(), KVM_RUN, 0);
  const int status = result == 0 ? 0 : errno;
  times_.left_ns = monotonic_ns();
  special_.left();
  thread_.store(0, std::memory_order_release);
  return status;
}

RawExit KvmVcpu::last_exit() const {
  const kvm_run& run = vcpu_.run();
  RawExit exit{.reason = run.exit_reason, .entries = entries_};
  const auto copy_data = [&exit](const void* data, std::size_t bytes) {
    std::memcpy(&exit.data, data, std::min(bytes, sizeof exit.data));
  };
  if (run.exit_reason == KVM_EXIT_IO) {
    exit.port = run.io.port;
    exit.size = run.io.size;
    exit.write = run.io.direction == KVM_EXIT_IO_OUT;
    copy_data(reinterpret_cast<const std::byte*>(&run) + run.io.data_offset, exit.size);
  } else if (run.exit_reason == KVM_EXIT_MMIO) {
    exit.address = run.mmio.phys_addr;
    exit.size = static_cast<std::uint8_t>(run.mmio.len);
    exit.write = run.mmio.is_write != 0;
    copy_data(run.mmio.data, exit.size);
  }
  return exit;
}

void KvmVcpu::kick() {
  kicked_.store(true, std::memory_order_seq_cst);
  kick_out(vcpu_.run(), thread_);
}

bool KvmVcpu::take_kick() {
  if (!kicked_.load(std::memory_order_relaxed)) return false;
  std::atomic_ref(vcpu_.run().immediate_exit).store(0, std::memory_order_seq_cst);
  return kicked_.exchange(false, std::memory_order_seq_cst);
}

// KVM_RUN was interrupted, and any OUT before it is completed by now. Nothing to report when the
// vCPU is on its way out of user code: its event comes first.
Result<std::optional<VcpuEvent>> KvmVcpu::after_signal() {
  const kvm_regs& regs = vcpu_.run().s.regs.regs;
  const Gva rip(regs.rip);
  const bool bounced = bounced_from_ && rip == kResumeStub;  // user code, which is about to fault there
  if (!in_stubs(rip)) {
    position_ = Position::kInUser;
    load_registers();
    regs_.rip = regs.rip;
    regs_.rflags = regs.rflags;
  } else if (behind_the_out(rip) && !bounced) {
    // No user instruction ran: regs_ still holds. The way back starts over, whatever was flushed.
    position_ = Position::kAtResume;
    if (loads_in_stub()) tlb_.interrupted();
  } else {
    if (in_step_stub(rip)) bounce_off_step();
    std::atomic_ref(vcpu_.run().immediate_exit).store(0, std::memory_order_seq_cst);
    return std::nullopt;
  }
  take_kick();
  return VcpuEvent{InterruptedEvent{}};
}

// User code's single-step trap can arrive one instruction late, in a stub: behind MOV SS, or
// where a CPU takes it behind SYSCALL. The stub goes on as if nothing had happened.
bool KvmVcpu::return_to_stub() {
  kvm_run& run = vcpu_.run();
  if (run.exit_reason != KVM_EXIT_IO || run.io.port != FL_PORT_EXCEPTION + kDebug) return false;
  kvm_regs& regs = run.s.regs.regs;
  StubFrame& frame = area_.frame(kDebug);
  if (regs.rsp != area_.frame_address(kDebug).raw() || (frame.cs & 3) != 0) return false;
  if (!in_stubs(Gva(frame.rip)) || behind_the_out(Gva(frame.rip))) return false;
  frame.rflags &= ~kTrapFlag;
  regs.rax = frame.rax;
  regs.rsp = area_.frame_address(kDebug).raw() + offsetof(StubFrame, rip);
  if (loads_in_stub()) {
    frame.error_code = frame.rax;  // the stub pops it
    regs.rsp -= sizeof(std::uint64_t);
    regs.rax = 0;
  }
  run.kvm_dirty_regs |= KVM_SYNC_X86_REGS;
  return true;
}

VcpuEvent KvmVcpu::decode_exit() {
  const kvm_run& run = vcpu_.run();
  if (run.exit_reason != KVM_EXIT_IO || run.io.direction != KVM_EXIT_IO_OUT || !in_stubs(Gva(run.s.regs.regs.rip))) {
    return fatal();
  }
  const unsigned port = run.io.port;
  if (port == FL_PORT_SYSCALL) return decode_syscall();
  if (port >= FL_PORT_EXCEPTION && port < FL_PORT_EXCEPTION + FL_VECTORS) {
    return decode_exception(port - FL_PORT_EXCEPTION);
  }
  return fatal();
}

void KvmVcpu::load_registers() { from_kvm(vcpu_.run().s.regs.regs, regs_); }

VcpuEvent KvmVcpu::decode_exception(unsigned vector) {
  const kvm_regs& regs = vcpu_.run().s.regs.regs;
  StubFrame& frame = area_.frame(vector);
  // Any other stack, or another CS, means an exception in the stubs themselves; #DF, that one
  // of user code's could not be delivered.
  if (vector == kDoubleFault || regs.rsp != area_.frame_address(vector).raw() || (frame.cs & 3) != 3) return fatal();
  position_ = Position::kAtExit;
  load_registers();
  const bool interrupted = take_bounce(frame);
  const Gva cr2(regs.rax);
  regs_[UserRegs::kRax] = frame.rax;
  regs_[UserRegs::kRsp] = frame.rsp;
  regs_.rip = frame.rip;
  regs_.rflags = frame.rflags;
  if (interrupted && vector == kPageFault) {
    take_kick();
    return InterruptedEvent{};
  }
  if (vector != kPageFault)
    return ExceptionEvent{static_cast<std::uint8_t>(vector), static_cast<std::uint32_t>(frame.error_code)};

  mmu::ErrorCode error(static_cast<std::uint32_t>(frame.error_code));
  // PVM: SYSCALL stays at CPL3 and faults on the supervisor-only page that LSTAR points to.
  if (cr2 == kLstar && frame.rip == kLstar.raw() && error.fetch() && error.user()) {
    regs_.rip = regs_[UserRegs::kRcx];
    regs_.rflags = regs_[UserRegs::kR11];
    return SyscallEvent{};
  }
  // PVM sets RSVD for user accesses to the upper half, where no entry has a reserved bit set.
  if (in_upper_half(cr2)) error = mmu::ErrorCode(error.raw() & ~mmu::ErrorCode::kReserved);
  return PageFaultEvent{cr2, error};
}

// SYSCALL entered the stub at CPL0: RSP is user code's. SDM vol. 2B, "SYSCALL".
VcpuEvent KvmVcpu::decode_syscall() {
  position_ = Position::kAtExit;
  load_registers();
  regs_.rip = regs_[UserRegs::kRcx];
  regs_.rflags = regs_[UserRegs::kR11];
  return SyscallEvent{};
}

VcpuEvent KvmVcpu::fatal() {
  dead_ = true;
  return explain_fatal({vcpu_, ram_, index_, mode(), root_, regs_});
}

}  // namespace faultline::vmm::kvm
