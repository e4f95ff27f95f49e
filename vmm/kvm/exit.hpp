// Why KVM_RUN returned, as a typed value: one alternative for every KVM_EXIT_* of <linux/kvm.h>,
// those of other architectures included, so that whatever KVM says can be shown by name. Decoded
// from a plain kvm_run; needs no KVM. Linux Documentation/virt/kvm/api.rst, "The kvm_run structure".
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "mmu/base/address.hpp"
#include "vmm/kvm/kvm_header.hpp"

namespace faultline::vmm::kvm {

namespace exits {

// An exit that carries nothing.
template <std::uint32_t Reason>
struct Plain {
  static constexpr std::uint32_t kReason = Reason;
};
using Hlt = Plain<KVM_EXIT_HLT>;
using IrqWindowOpen = Plain<KVM_EXIT_IRQ_WINDOW_OPEN>;
using Shutdown = Plain<KVM_EXIT_SHUTDOWN>;
using Intr = Plain<KVM_EXIT_INTR>;
using SetTpr = Plain<KVM_EXIT_SET_TPR>;
using Nmi = Plain<KVM_EXIT_NMI>;
using Watchdog = Plain<KVM_EXIT_WATCHDOG>;
using DirtyRingFull = Plain<KVM_EXIT_DIRTY_RING_FULL>;
using ApResetHold = Plain<KVM_EXIT_AP_RESET_HOLD>;
using BusLock = Plain<KVM_EXIT_X86_BUS_LOCK>;

// An exit that carries one number (which one, describe() says).
template <std::uint32_t Reason>
struct Number {
  static constexpr std::uint32_t kReason = Reason;
  std::uint64_t value = 0;
};
using Unknown = Number<KVM_EXIT_UNKNOWN>;  // the hardware's exit reason
using S390Reset = Number<KVM_EXIT_S390_RESET>;
using Epr = Number<KVM_EXIT_EPR>;
using IoapicEoi = Number<KVM_EXIT_IOAPIC_EOI>;  // vector
using Hyperv = Number<KVM_EXIT_HYPERV>;         // type
using Xen = Number<KVM_EXIT_XEN>;               // type
using Notify = Number<KVM_EXIT_NOTIFY>;         // flags

struct FailEntry {
  static constexpr std::uint32_t kReason = KVM_EXIT_FAIL_ENTRY;
  std::uint64_t hardware_reason = 0;
  std::uint32_t cpu = 0;
};
struct Exception {
  static constexpr std::uint32_t kReason = KVM_EXIT_EXCEPTION;
  std::uint32_t vector = 0, error_code = 0;
};
struct Io {
  static constexpr std::uint32_t kReason = KVM_EXIT_IO;
  bool out = false;
  std::uint8_t size = 0;  // bytes of one item
  std::uint16_t port = 0;
  std::uint32_t count = 0;
  std::uint64_t data_offset = 0;  // from the start of kvm_run
};
struct Debug {
  static constexpr std::uint32_t kReason = KVM_EXIT_DEBUG;
  std::uint32_t vector = 0;
  std::uint64_t pc = 0, dr6 = 0, dr7 = 0;
};
struct Mmio {
  static constexpr std::uint32_t kReason = KVM_EXIT_MMIO;
  Gpa address;
  std::array<std::uint8_t, 8> data{};
  std::uint32_t length = 0;
  bool write = false;
};
struct Hypercall {
  static constexpr std::uint32_t kReason = KVM_EXIT_HYPERCALL;
  std::uint64_t number = 0;
  std::array<std::uint64_t, 6> arguments{};
  bool long_mode = false;
};
struct TprAccess {
  static constexpr std::uint32_t kReason = KVM_EXIT_TPR_ACCESS;
  std::uint64_t rip = 0;
  bool write = false;
};
struct S390Sieic {
  static constexpr std::uint32_t kReason = KVM_EXIT_S390_SIEIC;
  std::uint8_t code = 0;
  std::uint16_t ipa = 0;
  std::uint32_t ipb = 0;
};
struct S390Ucontrol {
  static constexpr std::uint32_t kReason = KVM_EXIT_S390_UCONTROL;
  std::uint64_t translation_exception = 0;
  std::uint32_t program_code = 0;
};
struct S390Tsch {
  static constexpr std::uint32_t kReason = KVM_EXIT_S390_TSCH;
  std::uint16_t subchannel_id = 0, subchannel_number = 0;
};
struct S390Stsi {
  static constexpr std::uint32_t kReason = KVM_EXIT_S390_STSI;
  std::uint64_t address = 0;
  std::uint8_t function_code = 0;
};
struct Dcr {
  static constexpr std::uint32_t kReason = KVM_EXIT_DCR;
  std::uint32_t number = 0, data = 0;
  bool write = false;
};
struct InternalError {
  static constexpr std::uint32_t kReason = KVM_EXIT_INTERNAL_ERROR;
  std::uint32_t suberror = 0;
  std::vector<std::uint64_t> data;
  std::vector<std::uint8_t> instruction;  // bytes that KVM could not emulate, where it gives them
};
struct Osi {
  static constexpr std::uint32_t kReason = KVM_EXIT_OSI;
  std::uint64_t first_register = 0;
};
struct PaprHcall {
  static constexpr std::uint32_t kReason = KVM_EXIT_PAPR_HCALL;
  std::uint64_t number = 0;
};
struct SystemEvent {
  static constexpr std::uint32_t kReason = KVM_EXIT_SYSTEM_EVENT;
  std::uint32_t type = 0;
  std::vector<std::uint64_t> data;
};
struct ArmNisv {
  static constexpr std::uint32_t kReason = KVM_EXIT_ARM_NISV;
  std::uint64_t syndrome = 0, fault_ipa = 0;
};
// RDMSR and WRMSR share their payload.
template <std::uint32_t Reason>
struct Msr {
  static constexpr std::uint32_t kReason = Reason;
  std::uint32_t why = 0;  // KVM_MSR_EXIT_REASON_*
  std::uint32_t index = 0;
  std::uint64_t data = 0;
};
using Rdmsr = Msr<KVM_EXIT_X86_RDMSR>;
using Wrmsr = Msr<KVM_EXIT_X86_WRMSR>;
struct RiscvSbi {
  static constexpr std::uint32_t kReason = KVM_EXIT_RISCV_SBI;
  std::uint64_t extension = 0, function = 0;
};
struct RiscvCsr {
  static constexpr std::uint32_t kReason = KVM_EXIT_RISCV_CSR;
  std::uint64_t number = 0, new_value = 0;
};
// A reason that the header this was built with does not have.
struct Unlisted {
  std::uint32_t reason = 0;
};

}  // namespace exits

using KvmExit =
    std::variant<exits::Unknown, exits::Exception, exits::Io, exits::Hypercall, exits::Debug, exits::Hlt, exits::Mmio,
                 exits::IrqWindowOpen, exits::Shutdown, exits::FailEntry, exits::Intr, exits::SetTpr, exits::TprAccess,
                 exits::S390Sieic, exits::S390Reset, exits::Dcr, exits::Nmi, exits::InternalError, exits::Osi,
                 exits::PaprHcall, exits::S390Ucontrol, exits::Watchdog, exits::S390Tsch, exits::Epr,
                 exits::SystemEvent, exits::S390Stsi, exits::IoapicEoi, exits::Hyperv, exits::ArmNisv, exits::Rdmsr,
                 exits::Wrmsr, exits::DirtyRingFull, exits::ApResetHold, exits::BusLock, exits::Xen, exits::RiscvSbi,
                 exits::RiscvCsr, exits::Notify, exits::Unlisted>;

// Every KVM_EXIT_* has a number below this one, and all numbers below it are in use.
inline constexpr std::uint32_t kExitReasons = KVM_EXIT_NOTIFY + 1;

[[nodiscard]] KvmExit decode_exit(const kvm_run& run);
// "KVM_EXIT_IO".
[[nodiscard]] std::string_view name(const KvmExit& exit);
// The same by its number; empty for one that is newer than this program.
[[nodiscard]] std::string_view exit_reason_name(std::uint32_t reason);
// "KVM_EXIT_IO: out to port 0xce, 1 byte, 1 time".
[[nodiscard]] std::string describe(const KvmExit& exit);

}  // namespace faultline::vmm::kvm
