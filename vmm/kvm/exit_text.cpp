#include <fmt/format.h>
#include <fmt/ranges.h>

#include "vmm/kvm/exit.hpp"

namespace faultline::vmm::kvm {
namespace {

using namespace exits;

constexpr std::array<std::string_view, kExitReasons> kNames = {
    "KVM_EXIT_UNKNOWN",
    "KVM_EXIT_EXCEPTION",
    "KVM_EXIT_IO",
    "KVM_EXIT_HYPERCALL",
    "KVM_EXIT_DEBUG",
    "KVM_EXIT_HLT",
    "KVM_EXIT_MMIO",
    "KVM_EXIT_IRQ_WINDOW_OPEN",
    "KVM_EXIT_SHUTDOWN",
    "KVM_EXIT_FAIL_ENTRY",
    "KVM_EXIT_INTR",
    "KVM_EXIT_SET_TPR",
    "KVM_EXIT_TPR_ACCESS",
    "KVM_EXIT_S390_SIEIC",
    "KVM_EXIT_S390_RESET",
    "KVM_EXIT_DCR",
    "KVM_EXIT_NMI",
    "KVM_EXIT_INTERNAL_ERROR",
    "KVM_EXIT_OSI",
    "KVM_EXIT_PAPR_HCALL",
    "KVM_EXIT_S390_UCONTROL",
    "KVM_EXIT_WATCHDOG",
    "KVM_EXIT_S390_TSCH",
    "KVM_EXIT_EPR",
    "KVM_EXIT_SYSTEM_EVENT",
    "KVM_EXIT_S390_STSI",
    "KVM_EXIT_IOAPIC_EOI",
    "KVM_EXIT_HYPERV",
    "KVM_EXIT_ARM_NISV",
    "KVM_EXIT_X86_RDMSR",
    "KVM_EXIT_X86_WRMSR",
    "KVM_EXIT_DIRTY_RING_FULL",
    "KVM_EXIT_AP_RESET_HOLD",
    "KVM_EXIT_X86_BUS_LOCK",
    "KVM_EXIT_XEN",
    "KVM_EXIT_RISCV_SBI",
    "KVM_EXIT_RISCV_CSR",
    "KVM_EXIT_NOTIFY",
};
static_assert(kNames[KVM_EXIT_DCR] == "KVM_EXIT_DCR" && kNames[KVM_EXIT_S390_STSI] == "KVM_EXIT_S390_STSI");
static_assert(kNames[KVM_EXIT_DIRTY_RING_FULL] == "KVM_EXIT_DIRTY_RING_FULL" && kNames.back() == "KVM_EXIT_NOTIFY");

std::string_view suberror_name(std::uint32_t suberror) {
  switch (suberror) {
    case KVM_INTERNAL_ERROR_EMULATION: return "an instruction that KVM cannot emulate";
    case KVM_INTERNAL_ERROR_SIMUL_EX: return "two exceptions at once";
    case KVM_INTERNAL_ERROR_DELIVERY_EV: return "an exit while an event was being delivered";
    case KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON: return "an exit of the hardware's that KVM does not know";
    default: return "unknown";
  }
}

std::string_view event_name(std::uint32_t type) {
  switch (type) {
    case KVM_SYSTEM_EVENT_SHUTDOWN: return "shutdown";
    case KVM_SYSTEM_EVENT_RESET: return "reset";
    case KVM_SYSTEM_EVENT_CRASH: return "crash";
    case KVM_SYSTEM_EVENT_WAKEUP: return "wakeup";
    case KVM_SYSTEM_EVENT_SUSPEND: return "suspend";
    case KVM_SYSTEM_EVENT_SEV_TERM: return "SEV termination";
    default: return "unknown";
  }
}

// What follows the name; empty when there is nothing to say.
struct Payload {
  template <std::uint32_t R>
  std::string operator()(const Plain<R>&) const {
    return R == KVM_EXIT_SHUTDOWN ? "triple fault" : "";
  }
  std::string operator()(const Unknown& e) const { return fmt::format("hardware exit reason {:#x}", e.value); }
  std::string operator()(const S390Reset& e) const { return fmt::format("flags {:#x}", e.value); }
  std::string operator()(const Epr& e) const { return fmt::format("epr {:#x}", e.value); }
  std::string operator()(const IoapicEoi& e) const { return fmt::format("vector {:#x}", e.value); }
  std::string operator()(const Hyperv& e) const { return fmt::format("type {}", e.value); }
  std::string operator()(const Xen& e) const { return fmt::format("type {}", e.value); }
  std::string operator()(const Notify& e) const {
    return fmt::format("flags {:#x}{}", e.value, (e.value & KVM_NOTIFY_CONTEXT_INVALID) != 0 ? ", context lost" : "");
  }
  std::string operator()(const FailEntry& e) const {
    return fmt::format("the hardware refused the guest state, reason {:#x}, CPU {}", e.hardware_reason, e.cpu);
  }
  std::string operator()(const Exception& e) const {
    return fmt::format("vector {}, error code {:#x}", e.vector, e.error_code);
  }
  std::string operator()(const Io& e) const {
    return fmt::format("{} port {:#x}, {} byte{}, {} time{}", e.out ? "out to" : "in from", e.port, e.size,
                       e.size == 1 ? "" : "s", e.count, e.count == 1 ? "" : "s");
  }
  std::string operator()(const Debug& e) const {
    return fmt::format("vector {} at {:#x}, dr6 {:#x}, dr7 {:#x}", e.vector, e.pc, e.dr6, e.dr7);
  }
  std::string operator()(const Mmio& e) const {
    return fmt::format("{} of {} bytes at guest physical {:#x}, where no memory is", e.write ? "write" : "read",
                       e.length, e.address.raw());
  }
  std::string operator()(const Hypercall& e) const {
    return fmt::format("number {}, arguments {:#x}{}", e.number, fmt::join(e.arguments, " "),
                       e.long_mode ? ", long mode" : "");
  }
  std::string operator()(const TprAccess& e) const {
    return fmt::format("{} at {:#x}", e.write ? "write" : "read", e.rip);
  }
  std::string operator()(const S390Sieic& e) const {
    return fmt::format("code {:#x}, ipa {:#x}, ipb {:#x}", e.code, e.ipa, e.ipb);
  }
  std::string operator()(const S390Ucontrol& e) const {
    return fmt::format("translation exception {:#x}, program code {:#x}", e.translation_exception, e.program_code);
  }
  std::string operator()(const S390Tsch& e) const {
    return fmt::format("subchannel {:#x}.{:#x}", e.subchannel_id, e.subchannel_number);
  }
  std::string operator()(const S390Stsi& e) const {
    return fmt::format("function code {}, address {:#x}", e.function_code, e.address);
  }
  std::string operator()(const Dcr& e) const {
    return fmt::format("{} of {:#x}, data {:#x}", e.write ? "write" : "read", e.number, e.data);
  }
  std::string operator()(const InternalError& e) const {
    std::string text = fmt::format("suberror {} ({})", e.suberror, suberror_name(e.suberror));
    if (!e.instruction.empty()) text += fmt::format(", instruction bytes {:02x}", fmt::join(e.instruction, " "));
    if (e.instruction.empty() && !e.data.empty()) text += fmt::format(", data {:#x}", fmt::join(e.data, " "));
    return text;
  }
  std::string operator()(const Osi& e) const { return fmt::format("first register {:#x}", e.first_register); }
  std::string operator()(const PaprHcall& e) const { return fmt::format("number {:#x}", e.number); }
  std::string operator()(const SystemEvent& e) const {
    std::string text = fmt::format("{} (type {})", event_name(e.type), e.type);
    if (!e.data.empty()) text += fmt::format(", data {:#x}", fmt::join(e.data, " "));
    return text;
  }
  std::string operator()(const ArmNisv& e) const {
    return fmt::format("syndrome {:#x}, address {:#x}", e.syndrome, e.fault_ipa);
  }
  template <std::uint32_t R>
  std::string operator()(const Msr<R>& e) const {
    return fmt::format("MSR {:#x}, data {:#x}, reason {:#x}", e.index, e.data, e.why);
  }
  std::string operator()(const RiscvSbi& e) const {
    return fmt::format("extension {:#x}, function {:#x}", e.extension, e.function);
  }
  std::string operator()(const RiscvCsr& e) const {
    return fmt::format("register {:#x}, new value {:#x}", e.number, e.new_value);
  }
  std::string operator()(const Unlisted& e) const {
    return fmt::format("reason {}, which is newer than this program", e.reason);
  }
};

}  // namespace

std::string_view exit_reason_name(std::uint32_t reason) {
  return reason < kNames.size() ? kNames[reason] : std::string_view();
}

std::string_view name(const KvmExit& exit) {
  return std::visit(
      []<class E>(const E&) -> std::string_view {
        if constexpr (std::is_same_v<E, Unlisted>) {
          return "unlisted exit";
        } else {
          return kNames[E::kReason];
        }
      },
      exit);
}

std::string describe(const KvmExit& exit) {
  const std::string payload = std::visit(Payload{}, exit);
  return payload.empty() ? std::string(name(exit)) : fmt::format("{}: {}", name(exit), payload);
}

}  // namespace faultline::vmm::kvm
