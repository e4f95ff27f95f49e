#include "vmm/gdb/tracee.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "mmu/arch/vector.hpp"
#include "mmu/space/uaccess.hpp"
#include "vmm/gdb/guest_memory.hpp"

namespace faultline::vmm::gdb {
namespace {

using linux_abi::SignalSet;

constexpr std::uint64_t kTrapFlag = 1U << 8;
using mmu::vector::kDebug, mmu::vector::kBreakpoint;
constexpr std::uint64_t kInt3Bytes = 1;
constexpr std::uint64_t kIgnore = 1;  // SIG_IGN

// The opcode behind legacy and REX prefixes. SDM vol. 2A, "Instruction Prefixes".
std::byte opcode_of(std::span<const std::byte> code) {
  constexpr std::array kPrefixes = {0x66, 0x67, 0xf2, 0xf3, 0x2e, 0x36, 0x3e, 0x26, 0x64, 0x65};
  for (const std::byte b : code) {
    const int value = std::to_integer<int>(b);
    if (std::ranges::find(kPrefixes, value) == kPrefixes.end() && (value & 0xf0) != 0x40) return b;
  }
  return std::byte{0};
}

}  // namespace

Tracee::Tracee(Vcpu& vcpu, linux_abi::ProcessTable& processes, decode::Decoder decoder)
    : vcpu_(vcpu), processes_(processes), decoder_(std::move(decoder)), mm_(task().shared_mm()) {}

Result<std::unique_ptr<Tracee>> Tracee::create(Vcpu& vcpu, linux_abi::ProcessTable& processes) {
  if (!vcpu.capabilities().single_step_by_tf)
    return fail(fmt::format("no debugger on backend {}: RFLAGS.TF does not step there", vcpu.capabilities().backend));
  auto decoder = decode::Decoder::create({.cross_check = decode::CrossCheck::kOff});
  if (!decoder) return tl::unexpected(decoder.error());
  return std::unique_ptr<Tracee>(new Tracee(vcpu, processes, std::move(*decoder)));
}

std::uint64_t Tracee::peek_memory_of(std::span<std::byte> to, Gva from) const { return peek_memory(mm(), to, from); }

std::uint64_t Tracee::write(Gva to, std::span<const std::byte> from) {
  const std::uint64_t written = mmu::write_remote(mm(), to, from);
  watchpoints_.look_again(mm());
  return written;
}

Result<CpuState> Tracee::cpu() {
  auto now = loaded_ ? linux_abi::CpuContext::of(vcpu_) : Result<linux_abi::CpuContext>(task().context());
  if (!now) return tl::unexpected(now.error());
  return CpuState{now->regs, now->bases, std::move(now->xsave)};
}

bool Tracee::set_cpu(const CpuState& state, const Changed& changed) {
  // What the call that waits finds in the registers later is not ours to change.
  if (task().blocked()) return false;
  if (!loaded_) {
    task().context().regs = state.regs;
    task().context().bases = state.bases;
    task().context().xsave = state.xsave;
    return true;
  }
  if (changed.bases && (!vcpu_.set_fs_base(state.bases.fs) || !vcpu_.set_gs_base(state.bases.gs))) return false;
  if (changed.xsave && !vcpu_.set_xsave(state.xsave)) return false;
  if (changed.regs) vcpu_.edit_regs() = state.regs;
  return true;
}

void Tracee::let_go() {
  breakpoints_.clear();
  watchpoints_.clear();
  stepping_ = over_guard_ = after_syscall_ = false;
}

void Tracee::go_on(const Stop& from, const Resume& resume) {
  stepping_ = resume.step;
  range_start_ = resume.range_start;
  range_end_ = resume.range_end;
  linux_abi::SignalState& signals = task().signals();
  if (from.why == Stop::Why::kSignal && resume.signal != from.signal) signals.pending.erase(from.signal);
  // With "handle SIGTRAP pass" a client passes on the traps of its own breakpoints and steps, too.
  const bool own_trap = resume.signal == SIGTRAP && from.why != Stop::Why::kSignal;
  if (resume.signal != 0 && !own_trap) {
    if (!signals.pending.contains(resume.signal))
      task().queue_signal(linux_abi::SignalInfo::from_user(resume.signal, SI_USER, 0, 0));
    approved_.add(resume.signal);
  }
  // In a system call that waits, a step is the rest of that call.
  if (stepping_ && task().blocked()) after_syscall_ = true;
}

std::optional<Stop> Tracee::before_signals() {
  const linux_abi::SignalState& signals = task().signals();
  rsp_before_signals_ = vcpu_.regs()[UserRegs::kRsp];
  for (const auto& [signo, signal] : signals.pending) {
    if (signo == SIGKILL || signals.blocked.has(signo) || approved_.has(signo) || passed_.has(signo)) continue;
    if (signals.action(signo).handler == kIgnore) continue;
    return Stop{.why = Stop::Why::kSignal, .signal = signo};
  }
  return std::nullopt;
}

std::optional<Stop> Tracee::before_run() {
  approved_ = SignalSet();
  if (mm_.lock() != task().shared_mm()) {
    mm_ = task().shared_mm();
    let_go();
    return Stop{.why = Stop::Why::kExec};
  }
  // A frame of a signal handler was pushed: the step ends at its first instruction.
  if (vcpu_.regs()[UserRegs::kRsp] != rsp_before_signals_) {
    rsp_before_signals_ = vcpu_.regs()[UserRegs::kRsp];
    over_guard_ = after_syscall_ = false;
    if (stepping_) {
      stepping_ = false;
      return Stop{.why = Stop::Why::kStep};
    }
  }
  if (!after_syscall_) return std::nullopt;
  after_syscall_ = false;
  if (auto hit = watchpoint_hit()) return hit;
  return stepping_ ? step_done() : std::nullopt;
}

std::optional<Stop> Tracee::watchpoint_hit() {
  const Watchpoint* changed = watchpoints_.empty() ? nullptr : watchpoints_.changed(mm());
  if (changed == nullptr && !accessed_) return std::nullopt;
  stepping_ = false;
  return Stop{.why = Stop::Why::kWatchpoint, .watch = changed != nullptr ? *changed : *accessed_};
}

std::optional<Stop> Tracee::step_done() {
  const Gva rip(vcpu_.regs().rip);
  if (range_start_ <= rip && rip < range_end_) return std::nullopt;
  stepping_ = false;
  return Stop{.why = Stop::Why::kStep};
}

// What the step about to be made does to flags and to watched memory.
void Tracee::look_at_instruction() {
  std::array<std::byte, decode::kMaxInstructionBytes> bytes;
  const UserRegs& regs = vcpu_.regs();
  const auto code = std::span(bytes).first(peek_memory(mm(), bytes, Gva(regs.rip)));
  const std::byte opcode = opcode_of(code);
  constexpr std::byte kPushf{0x9c}, kPopf{0x9d}, kIret{0xcf};
  pushes_flags_ = opcode == kPushf;
  loads_flags_ = opcode == kPopf || opcode == kIret;
  if (watchpoints_.empty()) return;
  const decode::RegisterFile file{.regs = regs,
                                  .fs_base = vcpu_.fs_base().value_or(0),
                                  .gs_base = vcpu_.gs_base().value_or(0),
                                  .xsave_bytes = vcpu_.xsave_size()};
  if (const Watchpoint* hit = watchpoints_.accessed_by(decoder_.decode(code, file))) accessed_ = *hit;
}

void Tracee::arm() {
  accessed_.reset();
  single_ = stepping_ || over_guard_;
  guest_tf_ = (vcpu_.regs().rflags & kTrapFlag) != 0;
  if (single_) {
    look_at_instruction();
    if (!guest_tf_) vcpu_.edit_regs().rflags |= kTrapFlag;
    before_step_ = vcpu_.regs();
    watchpoints_.no_guard();
  } else {
    watchpoints_.guard(mm());
  }
  breakpoints_.put_in(mm());
  armed_ = true;
}

void Tracee::disarm() {
  if (!armed_) return;
  armed_ = false;
  breakpoints_.take_out();
  watchpoints_.release(mm());
}

void Tracee::clean_flags(const VcpuEvent& event) {
  UserRegs& regs = vcpu_.edit_regs();
  const auto* exception = std::get_if<ExceptionEvent>(&event);
  if (exception != nullptr && exception->vector == kDebug) {
    if (loads_flags_) return;  // TF is what the instruction loaded
    if (pushes_flags_) {       // bit 8 of what lies on the stack now
      const auto pushed = mapped_bytes(mm(), Gva(regs[UserRegs::kRsp] + 1));
      if (!pushed.empty()) pushed[0] &= std::byte{0xfe};
    }
  }
  regs.rflags &= ~kTrapFlag;
  if (std::holds_alternative<SyscallEvent>(event)) regs[UserRegs::kR11] &= ~kTrapFlag;
}

Tracee::Ran Tracee::after_trap() {
  // VMX can trap before the instruction, when TF comes while user code is interrupted.
  const UserRegs& regs = vcpu_.regs();
  const bool nothing_happened = regs.rip == before_step_.rip && regs.gpr == before_step_.gpr;
  early_trap_ = nothing_happened && !early_trap_ && !guest_tf_;
  if (early_trap_) return {.own = true, .stop = std::nullopt};
  over_guard_ = false;
  if (guest_tf_) {  // the program steps itself: its SIGTRAP is the stop
    after_syscall_ = !watchpoints_.empty();
    return {};
  }
  auto stop = watchpoint_hit();
  if (!stop && stepping_) stop = step_done();
  return {.own = true, .stop = stop};
}

Tracee::Ran Tracee::after_int3() {
  const Gva at(vcpu_.regs().rip - kInt3Bytes);
  const BreakKind* hit = breakpoints_.hit(at);
  if (hit == nullptr) return {};  // the program's own
  vcpu_.edit_regs().rip = at.raw();
  stepping_ = over_guard_ = false;
  return {.own = true, .stop = Stop{.why = Stop::Why::kBreakpoint, .asked_as = *hit}};
}

Tracee::Ran Tracee::after_run(const VcpuEvent& event) {
  disarm();
  if (single_ && !guest_tf_) clean_flags(event);
  if (std::holds_alternative<SyscallEvent>(event)) {
    over_guard_ = false;
    after_syscall_ = stepping_ || !watchpoints_.empty();
    return {};
  }
  if (const auto* exception = std::get_if<ExceptionEvent>(&event)) {
    if (exception->vector == kDebug && single_) return after_trap();
    if (exception->vector == kBreakpoint) return after_int3();
  }
  if (const auto* fault = std::get_if<PageFaultEvent>(&event);
      fault != nullptr && watchpoints_.guarded(fault->address, fault->error.write())) {
    over_guard_ = true;
    return {.own = true, .stop = std::nullopt};
  }
  return {};
}

}  // namespace faultline::vmm::gdb
