#include "vmm/kvm/exit.hpp"

#include <algorithm>
#include <cstring>

namespace faultline::vmm::kvm {
namespace {

using namespace exits;

// KVM fills `data` with `count` words, and may mean fewer than it says there are room for.
std::vector<std::uint64_t> words(const __u64* data, std::uint32_t count, std::size_t room) {
  return {data, data + std::min<std::size_t>(count, room)};
}

InternalError internal_error(const kvm_run& run) {
  InternalError e{
      run.internal.suberror, words(run.internal.data, run.internal.ndata, std::size(run.internal.data)), {}};
  const auto& failure = run.emulation_failure;
  // ndata counts the flags and the two words of the instruction.
  constexpr std::uint32_t kWordsWithInstruction = 3;
  if (e.suberror == KVM_INTERNAL_ERROR_EMULATION && failure.ndata >= kWordsWithInstruction &&
      (failure.flags & KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES) != 0) {
    const std::size_t size = std::min<std::size_t>(failure.insn_size, sizeof failure.insn_bytes);
    e.instruction.assign(failure.insn_bytes, failure.insn_bytes + size);
  }
  return e;
}

Mmio mmio(const kvm_run& run) {
  Mmio m{Gpa(run.mmio.phys_addr), {}, run.mmio.len, run.mmio.is_write != 0};
  std::memcpy(m.data.data(), run.mmio.data, m.data.size());
  return m;
}

Hypercall hypercall(const kvm_run& run) {
  Hypercall h{run.hypercall.nr, {}, run.hypercall.longmode != 0};
  std::copy_n(run.hypercall.args, h.arguments.size(), h.arguments.begin());
  return h;
}

KvmExit other_architecture(const kvm_run& run) {
  switch (run.exit_reason) {
    case KVM_EXIT_S390_SIEIC: return S390Sieic{run.s390_sieic.icptcode, run.s390_sieic.ipa, run.s390_sieic.ipb};
    case KVM_EXIT_S390_RESET: return S390Reset{run.s390_reset_flags};
    case KVM_EXIT_S390_UCONTROL: return S390Ucontrol{run.s390_ucontrol.trans_exc_code, run.s390_ucontrol.pgm_code};
    case KVM_EXIT_S390_TSCH: return S390Tsch{run.s390_tsch.subchannel_id, run.s390_tsch.subchannel_nr};
    case KVM_EXIT_S390_STSI: return S390Stsi{run.s390_stsi.addr, run.s390_stsi.fc};
    case KVM_EXIT_DCR: return Dcr{run.dcr.dcrn, run.dcr.data, run.dcr.is_write != 0};
    case KVM_EXIT_OSI: return Osi{run.osi.gprs[0]};
    case KVM_EXIT_PAPR_HCALL: return PaprHcall{run.papr_hcall.nr};
    case KVM_EXIT_EPR: return Epr{run.epr.epr};
    case KVM_EXIT_WATCHDOG: return Watchdog{};
    case KVM_EXIT_ARM_NISV: return ArmNisv{run.arm_nisv.esr_iss, run.arm_nisv.fault_ipa};
    case KVM_EXIT_RISCV_SBI: return RiscvSbi{run.riscv_sbi.extension_id, run.riscv_sbi.function_id};
    case KVM_EXIT_RISCV_CSR: return RiscvCsr{run.riscv_csr.csr_num, run.riscv_csr.new_value};
    default: return Unlisted{run.exit_reason};
  }
}

}  // namespace

KvmExit decode_exit(const kvm_run& run) {
  switch (run.exit_reason) {
    case KVM_EXIT_UNKNOWN: return Unknown{run.hw.hardware_exit_reason};
    case KVM_EXIT_EXCEPTION: return Exception{run.ex.exception, run.ex.error_code};
    case KVM_EXIT_IO:
      return Io{run.io.direction == KVM_EXIT_IO_OUT, run.io.size, run.io.port, run.io.count, run.io.data_offset};
    case KVM_EXIT_HYPERCALL: return hypercall(run);
    case KVM_EXIT_DEBUG:
      return Debug{run.debug.arch.exception, run.debug.arch.pc, run.debug.arch.dr6, run.debug.arch.dr7};
    case KVM_EXIT_HLT: return Hlt{};
    case KVM_EXIT_MMIO: return mmio(run);
    case KVM_EXIT_IRQ_WINDOW_OPEN: return IrqWindowOpen{};
    case KVM_EXIT_SHUTDOWN: return Shutdown{};
    case KVM_EXIT_FAIL_ENTRY: return FailEntry{run.fail_entry.hardware_entry_failure_reason, run.fail_entry.cpu};
    case KVM_EXIT_INTR: return Intr{};
    case KVM_EXIT_SET_TPR: return SetTpr{};
    case KVM_EXIT_TPR_ACCESS: return TprAccess{run.tpr_access.rip, run.tpr_access.is_write != 0};
    case KVM_EXIT_NMI: return Nmi{};
    case KVM_EXIT_INTERNAL_ERROR: return internal_error(run);
    case KVM_EXIT_SYSTEM_EVENT:
      return SystemEvent{run.system_event.type,
                         words(run.system_event.data, run.system_event.ndata, std::size(run.system_event.data))};
    case KVM_EXIT_IOAPIC_EOI: return IoapicEoi{run.eoi.vector};
    case KVM_EXIT_HYPERV: return Hyperv{run.hyperv.type};
    case KVM_EXIT_X86_RDMSR: return Rdmsr{run.msr.reason, run.msr.index, run.msr.data};
    case KVM_EXIT_X86_WRMSR: return Wrmsr{run.msr.reason, run.msr.index, run.msr.data};
    case KVM_EXIT_DIRTY_RING_FULL: return DirtyRingFull{};
    case KVM_EXIT_AP_RESET_HOLD: return ApResetHold{};
    case KVM_EXIT_X86_BUS_LOCK: return BusLock{};
    case KVM_EXIT_XEN: return Xen{run.xen.type};
    case KVM_EXIT_NOTIFY: return Notify{run.notify.flags};
    default: return other_architecture(run);
  }
}

}  // namespace faultline::vmm::kvm
