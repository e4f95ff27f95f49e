#include "vmm/hosted/hosted_vcpu.hpp"

#include <fmt/format.h>
#include <linux/audit.h>

#include <array>

#include "guest/abi.h"
#include "mmu/arch/vector.hpp"
#include "vmm/host/clock.hpp"
#include "vmm/hosted/stub_start.hpp"

namespace faultline::vmm::hosted {
namespace {

// As on KVM: RFLAGS that user code owns (CF PF AF ZF SF TF DF OF NT RF AC ID), and the two bits
// that are always set.
constexpr std::uint64_t kUserFlags = 0x25'4dd5;
constexpr std::uint64_t kForcedFlags = 0x202;
constexpr std::uint64_t kTrapFlag = 1U << 8, kResumeFlag = 1U << 16;
using mmu::vector::kDebug, mmu::vector::kInvalidOpcode, mmu::vector::kGeneralProtection, mmu::vector::kPageFault;
constexpr std::size_t kMaxInstruction = 15;
// A page that the stub has mapped and yet faults for, this often in a row, is a host at odds with us.
constexpr std::uint64_t kMaxRepeats = 1000;
// INT 0x80 of a 64-bit program: two bytes, and a gate that the guest's IDT does not have.
constexpr std::uint64_t kIntBytes = 2;
constexpr std::uint32_t kInt80Error = 0x80 * 8 + 2;
constexpr Gva kVsyscallPage{0xffff'ffff'ff60'0000};

bool in_upper_half(Gva address) { return address.raw() >> 63 != 0; }

}  // namespace

std::optional<VcpuEvent> HostedVcpu::classify() {
  if (frame_.info.si_signo == kStopSignal) {
    if (!take_kick()) return std::nullopt;
    load_registers();
    return InterruptedEvent{};
  }
  if (frame_.info.si_code <= 0) return std::nullopt;  // sent by somebody: not the guest's doing
  if (frame_.info.si_signo == SIGSYS) return system_call();
  if (frame_.context.cs != FL_USER_CS) {  // a far jump to a segment that the guest doesn't have
    load_registers();
    return ExceptionEvent{kGeneralProtection, 0};
  }
  // The host refuses to emulate a wrong call of its vsyscall page, with a signal that tells nothing of the fault.
  if (const Gva ip(frame_.context.rip);
      frame_.info.si_signo == SIGSEGV && frame_.info.si_code == SI_KERNEL && ip.page_base() == kVsyscallPage) {
    load_registers();
    return PageFaultEvent{ip, mmu::ErrorCode(mmu::ErrorCode::kUser | mmu::ErrorCode::kFetch)};
  }
  const auto vector = static_cast<unsigned>(frame_.context.vector) & (FL_VECTORS - 1);
  if (frame_.info.si_signo == SIGILL && vector != kInvalidOpcode) return illegal_instruction();
  if (vector == kPageFault) return page_fault();
  if (is_cpuid(vector)) return cpuid();
  load_registers();
  const bool has_error = ((FL_VECTORS_WITH_ERROR_CODE >> vector) & 1) != 0;
  return ExceptionEvent{static_cast<std::uint8_t>(vector),
                        has_error ? static_cast<std::uint32_t>(frame_.context.error_code) : 0};
}

std::optional<VcpuEvent> HostedVcpu::page_fault() {
  const Gva address(frame_.context.cr2);
  const mmu::ErrorCode reported(static_cast<std::uint32_t>(frame_.context.error_code));
  // P and RSVD of the host's own tables mean nothing here.
  constexpr std::uint32_t kAccess = mmu::ErrorCode::kWrite | mmu::ErrorCode::kFetch;
  const mmu::ErrorCode access((reported.raw() & kAccess) | mmu::ErrorCode::kUser);
  if (frame_.info.si_signo == SIGBUS) {
    load_registers();
    return fatal("the host has no memory left for guest RAM");
  }
  const auto guest_fault = [&](std::uint32_t bits) {
    load_registers();
    return PageFaultEvent{address, access.with(bits)};
  };
  if (in_upper_half(address)) {  // the guest's tables have nothing there
    // Of a jump to the vsyscall page some hosts report a read.
    const bool fetch = address.raw() == frame_.context.rip;
    return guest_fault(fetch ? mmu::ErrorCode::kFetch : 0U);
  }
  switch (shadow_.resolve(address, access)) {
    case Shadow::Answer::kMapped: break;
    case Shadow::Answer::kNotPresent: return guest_fault(0);
    case Shadow::Answer::kReserved: return guest_fault(mmu::ErrorCode::kPresent | mmu::ErrorCode::kReserved);
    case Shadow::Answer::kProtection: return guest_fault(mmu::ErrorCode::kPresent);
    case Shadow::Answer::kCollision:
      load_registers();
      return fatal(
          fmt::format("the guest uses address {:#x}, which the hosted backend needs for itself", address.raw()));
  }
  if (!repeats()) return std::nullopt;
  load_registers();
  return fatal(fmt::format("address {:#x} is mapped, and yet the host faults for it", address.raw()));
}

bool HostedVcpu::repeats() {
  const Miss miss{Gva(frame_.context.cr2), frame_.context.rip, frame_.context.error_code};
  repeats_ = miss == miss_ ? repeats_ + 1 : 0;
  miss_ = miss;
  return repeats_ >= kMaxRepeats;
}

std::optional<VcpuEvent> HostedVcpu::system_call() {
  load_registers();
  if (frame_.info.si_arch != AUDIT_ARCH_X86_64) {
    regs_.rip -= kIntBytes;
    return ExceptionEvent{kGeneralProtection, kInt80Error};
  }
  // The host emulates a call of the vsyscall page. The guest has no such page.
  const Gva called(reinterpret_cast<std::uint64_t>(frame_.info.si_call_addr));
  if (called.page_base() == kVsyscallPage) {
    regs_.rip = called.raw();
    regs_[UserRegs::kRsp] -= sizeof(std::uint64_t);
    return PageFaultEvent{called, mmu::ErrorCode(mmu::ErrorCode::kUser | mmu::ErrorCode::kFetch)};
  }
  return SyscallEvent{};
}

// SIGILL without #UD; the vector is that of an earlier exception. Tile instructions raise #NM,
// which the host answers so where the process has no permission: the guest's CPU has none of them.
// And the one system call that Linux 6.14 and later let past seccomp, uretprobe, answers so
// wherever no probe is, and with -1 in RAX: the layers above get to see what was asked for.
VcpuEvent HostedVcpu::illegal_instruction() {
  constexpr std::uint64_t kUretprobe = 335;
  load_registers();
  if (frame_.info.si_code == ILL_ILLOPC) return ExceptionEvent{kInvalidOpcode, 0};
  regs_[UserRegs::kRax] = kUretprobe;
  return SyscallEvent{};
}

bool HostedVcpu::is_cpuid(unsigned vector) {
  if (vector != kGeneralProtection || frame_.context.error_code != 0 || !stub_->cpuid_faults()) return false;
  std::array<std::byte, kMaxInstruction> code{};
  const std::size_t read = shadow_.read(Gva(frame_.context.rip), code);
  cpuid_bytes_ = length_of_cpuid(std::span(code).first(read));
  return cpuid_bytes_ != 0;
}

// Executes the instruction in the guest's place.
std::optional<VcpuEvent> HostedVcpu::cpuid() {
  KernelContext& c = frame_.context;
  const CpuidRegs r =
      Cpuid(xsave_features_, index_).answer(static_cast<std::uint32_t>(c.rax), static_cast<std::uint32_t>(c.rcx));
  c.rax = r.eax, c.rbx = r.ebx, c.rcx = r.ecx, c.rdx = r.edx;
  c.rip += cpuid_bytes_;
  c.rflags &= ~kResumeFlag;
  if ((c.rflags & kTrapFlag) == 0) return std::nullopt;
  load_registers();
  return ExceptionEvent{kDebug, 0};
}

VcpuEvent HostedVcpu::fatal(std::string summary) {
  dead_ = true;
  std::string detail = fmt::format("hosted vCPU {}: rip {:#x}, rsp {:#x}, rflags {:#x}", index_, regs_.rip,
                                   regs_[UserRegs::kRsp], regs_.rflags);
  return FatalEvent{std::move(summary), std::move(detail)};
}

void HostedVcpu::load_registers() {
  const KernelContext& c = frame_.context;
  regs_.gpr = {c.rax, c.rcx, c.rdx, c.rbx, c.rsp, c.rbp, c.rsi, c.rdi,
               c.r8,  c.r9,  c.r10, c.r11, c.r12, c.r13, c.r14, c.r15};
  regs_.rip = c.rip;
  regs_.rflags = c.rflags;
}

void HostedVcpu::store_registers() {
  KernelContext& c = frame_.context;
  const auto& g = regs_.gpr;
  c.rax = g[0], c.rcx = g[1], c.rdx = g[2], c.rbx = g[3], c.rsp = g[4], c.rbp = g[5], c.rsi = g[6], c.rdi = g[7];
  c.r8 = g[8], c.r9 = g[9], c.r10 = g[10], c.r11 = g[11], c.r12 = g[12], c.r13 = g[13], c.r14 = g[14], c.r15 = g[15];
  c.rip = regs_.rip;
  c.rflags = (regs_.rflags & kUserFlags) | kForcedFlags;
  c.cs = FL_USER_CS;
  c.ss = FL_USER_SS;
}

bool HostedVcpu::take_kick() {
  return kicked_.load(std::memory_order_relaxed) && kicked_.exchange(false, std::memory_order_seq_cst);
}

void HostedVcpu::kick() {
  kicked_.store(true, std::memory_order_seq_cst);
  stub_->interrupt();
}

Result<VcpuEvent> HostedVcpu::run() {
  exit_ = {.entries = 0};
  if (take_kick()) return VcpuEvent{InterruptedEvent{}};
  if (dead_) return VcpuEvent{FatalEvent{"the vCPU stopped for good before", ""}};
  if (!mmu::is_canonical(Gva(regs_.rip), kMode)) return VcpuEvent{ExceptionEvent{kGeneralProtection, 0}};
  // What was just made present need not fault again to get into the stub; unless the access is given up, and
  // would leave Accessed and Dirty behind.
  const bool again = answered_ && regs_.rip == frame_.context.rip;
  if (again && !in_upper_half(answered_->address)) shadow_.resolve(answered_->address, answered_->error);
  answered_.reset();
  store_registers();
  times_.entered_ns = monotonic_ns();
  repeats_ = 0;
  for (;;) {
    enter();
    times_.left_ns = monotonic_ns();
    exit_.reason = static_cast<std::uint32_t>(frame_.info.si_signo);
    ++exit_.entries;
    if (dead_) return fatal(fmt::format("the process that runs the guest died: {}", stub_->obituary()));
    if (auto event = classify()) {
      if (const auto* fault = std::get_if<PageFaultEvent>(&*event)) answered_ = *fault;
      return *event;
    }
  }
}

// One run of the stub, from the frame to the next frame. A stub that dies in it is the guest's end.
void HostedVcpu::enter() {
  stub_->store_frame(frame_);
  const auto resumed = stub_->resume();
  if (resumed && stub_->wait(kicked_) == StubProcess::Wait::kStopped) {
    if (stub_->load_frame(frame_)) return;
    stub_->kill("it stopped on another stack than its own, and was killed");
  }
  dead_ = true;
}

}  // namespace faultline::vmm::hosted
