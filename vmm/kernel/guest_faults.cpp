// Exceptions of a kernel program: through the ladder, to its fixup, or to its end.
#include <fmt/format.h>

#include <csignal>

#include "mmu/arch/vector.hpp"
#include "vmm/kernel/guest.hpp"
#include "vmm/kernel/layout.hpp"
#include "vmm/linux_abi/fault_signal.hpp"

namespace faultline::vmm::kernel {

namespace {

using mmu::FaultResult;
using mmu::KernelEnd;

using mmu::vector::kDebug, mmu::vector::kPageFault;
constexpr std::uint64_t kTrapFlag = 1U << 8, kInterruptFlag = 1U << 9, kAccessFlag = 1U << 18;

struct SignalOf {
  int number, code;
};

// Linux's idt handlers: #DE, #UD and the like of user code.
SignalOf signal_of(unsigned vector) {
  switch (vector) {
    case 0: return {SIGFPE, FPE_INTDIV};
    case 1:
    case 3: return {SIGTRAP, TRAP_BRKPT};
    case 6: return {SIGILL, ILL_ILLOPN};
    case 17: return {SIGBUS, BUS_ADRALN};
    default: return {SIGSEGV, SI_KERNEL};
  }
}

}  // namespace

Guest::Outcome Guest::serve_exception(const ExceptionExit& exit) {
  if (exit.vector == kPageFault) return page_fault(exit);
  if (exit.vector == kDebug && end_step()) return std::nullopt;
  if (vcpu_->state().user()) {
    const SignalOf signal = signal_of(exit.vector);
    stop_user(signal.number, signal.code);
    return std::nullopt;
  }
  if (take_fixup(exit.vector)) return std::nullopt;
  return die(exit, OopsKind::kException, nullptr);
}

mmu::FaultRequest Guest::request(const ExceptionExit& exit) const {
  const CpuState& cpu = vcpu_->state();
  const std::uint64_t flags = cpu.regs.rflags;
  const Gva ip(cpu.regs.rip);
  return {
      .address = exit.address,
      .error = mmu::ErrorCode(exit.error_code),
      .ip = ip,
      .origin = cpu.user() ? mmu::FaultOrigin::kUser : mmu::FaultOrigin::kKernel,
      .sp = Gva(cpu.regs[UserRegs::kRsp]),
      .kernel = {.user_access = !vcpu_->smap() || (flags & kAccessFlag) != 0,
                 .interrupts = (flags & kInterruptFlag) != 0,
                 // pagefault_disable() and in_atomic()
                 .faults_disabled = task_word(FL_TASK_PAGEFAULT_DISABLED) != 0 || task_word(FL_TASK_PREEMPT_COUNT) != 0,
                 .fixup = exceptions_.find(ip) != nullptr,
                 .signal_too = task_word(FL_TASK_SIGNAL_ON_FIXUP) != 0}};
}

Guest::Outcome Guest::page_fault(const ExceptionExit& exit) {
  const auto control = vcpu_->control();
  if (!control) return tl::unexpected(control.error());
  const Gpa root(mm_->tables().root());
  if ((control->cr3 & mmu::Pte::kAddressMask) != root.raw()) {
    const bool outside = !machine_->ram().memory().contains(Gpa(control->cr3).page());
    return std::optional<End>(
        Died{fmt::format("the program changed CR3 to {:#x}, {}", control->cr3,
                         outside ? "which is outside guest memory" : "which is no table of the host's")});
  }
  if (upgrade_) reference_->protect(upgrade_->page, upgrade_->flags);  // by another CPU, as it were
  upgrade_.reset();
  const mmu::FaultOutcome outcome = mmu::handle_page_fault(*mm_, request(exit));
  if (!outcome.resolved()) return unresolved(exit, outcome);

  const mmu::FaultStep step = outcome.path.decided_by();
  if (step == mmu::FaultStep::kVmallocFault) ++counts_[FL_COUNT_VMALLOC_FAULTS];
  if (step == mmu::FaultStep::kSpuriousKernel) ++counts_[FL_COUNT_SPURIOUS_FAULTS];
  if (outcome.single_step) begin_step();
  const std::uint64_t rip = vcpu_->state().regs.rip;
  const bool again = rip == last_rip_ && exit.address == last_fault_.address && !outcome.single_step;
  repeats_ = again ? repeats_ + 1 : 0;
  last_rip_ = rip;
  last_fault_ = exit;
  if (storm_ != 0 && repeats_ >= storm_) return std::optional<End>(Limited{LimitKind::kFaultStorm, place()});
  return std::nullopt;
}

Guest::Outcome Guest::unresolved(const ExceptionExit& exit, const mmu::FaultOutcome& outcome) {
  const linux_abi::FaultSignal signal = linux_abi::fault_signal(outcome.result);
  const bool dies = outcome.result == FaultResult::kPgtableBad || outcome.result == FaultResult::kOops;
  if (vcpu_->state().user() && !dies) {
    stop_user(signal.number, signal.code);
    return std::nullopt;
  }
  if (outcome.kernel_end != KernelEnd::kNone && take_fixup(kPageFault)) {
    if (outcome.kernel_end == KernelEnd::kFixupAndSignal)
      counts_[FL_COUNT_SIGNAL] = static_cast<std::uint64_t>(signal.number << 8 | signal.code);
    return std::nullopt;
  }
  return die(exit, kind_of(outcome, mmu::ErrorCode(exit.error_code), exit.address, kStackGuard), &outcome);
}

// Linux fixup_exception.
bool Guest::take_fixup(unsigned vector) {
  CpuState& cpu = vcpu_->edit();
  const mmu::ExceptionEntry* entry = exceptions_.find(Gva(cpu.regs.rip));
  if (entry == nullptr) return false;
  cpu.regs.rip = entry->fixup.raw();
  switch (entry->kind) {
    case mmu::FixupKind::kJump: break;
    case mmu::FixupKind::kError: cpu.regs[entry->reg] = static_cast<std::uint64_t>(-EFAULT); break;
    case mmu::FixupKind::kZero: cpu.regs[entry->reg] = 0; break;
    case mmu::FixupKind::kTrap: cpu.regs[UserRegs::kRax] = vector; break;
  }
  ++counts_[FL_COUNT_FIXUPS];
  return true;
}

// Back behind the call that entered user code.
void Guest::stop_user(int signal, int code) {
  if (!kernel_state_) return;
  vcpu_->edit() = *kernel_state_;
  vcpu_->edit().regs[UserRegs::kRax] = static_cast<std::uint64_t>(signal) << 8 | (static_cast<unsigned>(code) & 0xff);
  kernel_state_.reset();
}

void Guest::begin_step() {
  CpuState& cpu = vcpu_->edit();
  if (!stepping_) trap_flag_ = (cpu.regs.rflags & kTrapFlag) != 0;
  stepping_ = true;
  cpu.regs.rflags |= kTrapFlag;
}

// False: nobody steps, the trap is the program's own.
bool Guest::end_step() {
  if (!stepping_) return false;
  stepping_ = false;
  kmmio_->stepped();
  kmemcheck_->stepped();
  if (!trap_flag_) vcpu_->edit().regs.rflags &= ~kTrapFlag;
  return true;
}

std::vector<mmu::MemoryAccess> Guest::describe(const mmu::FaultRequest& request) {
  std::array<std::byte, decode::kMaxInstructionBytes> bytes{};
  const std::size_t got = peek(request.ip, bytes);
  decode::RegisterFile registers;
  registers.regs = vcpu_->state().regs;
  const decode::Instruction instruction = decoder_->decode(std::span(bytes).first(got), registers);
  std::vector<mmu::MemoryAccess> accesses;
  for (const decode::MemOperand& operand : instruction.operands()) {
    const bool data = decode::reads(operand.access) || decode::writes(operand.access);
    if (!data || !operand.address_known || operand.role == decode::OperandRole::kFetch) continue;
    accesses.push_back({operand.address, operand.width, decode::reads(operand.access), decode::writes(operand.access)});
  }
  return accesses;
}

Guest::Outcome Guest::die(const ExceptionExit& exit, OopsKind kind, const mmu::FaultOutcome* outcome) {
  const auto control = vcpu_->control();
  if (!control) return tl::unexpected(control.error());
  Oops oops;
  oops.kind = kind;
  oops.program = config_.program;
  oops.vector = exit.vector;
  oops.error = mmu::ErrorCode(exit.error_code);
  oops.cpu = vcpu_->state();
  oops.control = *control;
  oops.stack = {kStackBottom, kStackTop};
  const Gva rip(oops.cpu.regs.rip);
  oops.function = symbols_.describe(rip);
  if (outcome != nullptr) {
    oops.address = exit.address;
    guard_.show_corruptions();
    oops.tables = dump_tables(mm_->tables().walk(exit.address));
    guard_.hide_corruptions();
    for (const mmu::FaultStep step : outcome->path.steps()) oops.path.push_back(mmu::name(step));
  }
  constexpr std::size_t kBefore = 42, kBytes = 64;  // as Linux shows them
  const std::size_t before = std::min<std::uint64_t>(kBefore, rip.page_offset());
  oops.code.resize(before + kBytes - kBefore);
  oops.code.resize(peek(rip - before, oops.code));
  oops.code_mark = before;
  if (oops.code.size() <= before) oops.code.clear();

  // By frame pointers, which must lie on the stack and rise.
  constexpr unsigned kMaxCallers = 32;
  Gva frame(oops.cpu.regs[UserRegs::kRbp]);
  while (oops.trace.size() < kMaxCallers && frame >= kStackBottom && frame.raw() + 16 <= kStackTop.raw()) {
    std::array<std::uint64_t, 2> words{};
    if (peek(frame, std::as_writable_bytes(std::span(words))) != sizeof words || words[1] == 0) break;
    oops.trace.push_back(symbols_.describe(Gva(words[1])));
    if (Gva(words[0]) <= frame) break;
    frame = Gva(words[0]);
  }
  return std::optional<End>(Oopsed{std::move(oops)});
}

}  // namespace faultline::vmm::kernel
