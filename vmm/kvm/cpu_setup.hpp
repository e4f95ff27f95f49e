// The state a vCPU starts in: long mode, CPL0, at the resume stub, so that the first entry into
// user code is an IRETQ like every other one.
#pragma once

#include <cstdint>
#include <vector>

#include "mmu/arch/paging_mode.hpp"
#include "vmm/kvm/guest_tlb.hpp"
#include "vmm/kvm/monitor.hpp"
#include "vmm/kvm/system.hpp"

namespace faultline::vmm::kvm {

// Control register and MSR bits. SDM vol. 3A, "Control Registers"; vol. 4, "IA32_EFER".
inline constexpr std::uint64_t kCr0 = 1U << 0 | 1U << 1 | 1U << 4 | 1U << 5 | 1U << 16 | 1U << 18 | 1U << 31;
inline constexpr std::uint64_t kCr4Pae = 1U << 5;
inline constexpr std::uint64_t kCr4Pge = 1U << 7;
inline constexpr std::uint64_t kCr4Osfxsr = 1U << 9;
inline constexpr std::uint64_t kCr4Osxmmexcpt = 1U << 10;
inline constexpr std::uint64_t kCr4La57 = 1U << 12;
inline constexpr std::uint64_t kCr4Fsgsbase = 1U << 16;
inline constexpr std::uint64_t kCr4Pcide = 1U << 17;
inline constexpr std::uint64_t kCr4Osxsave = 1U << 18;
inline constexpr std::uint64_t kCr4Smep = 1U << 20;
inline constexpr std::uint64_t kCr4Smap = 1U << 21;
inline constexpr std::uint64_t kEfer = 1U << 0 | 1U << 8 | 1U << 10 | 1U << 11;  // SCE LME LMA NXE

// What a guest's CPU is like, decided once a machine.
struct CpuModel {
  std::vector<kvm_cpuid_entry2> cpuid;
  std::uint64_t cr4 = 0;  // without optional bits that KVM turned out to refuse
  // What KVM keeps of a vCPU's extended state, and its bytes in the standard format. XCR0 is
  // loaded with it wherever KVM takes CR4.OSXSAVE. On PVM user code runs with the host's own XCR0.
  std::uint64_t xsave_features = 0;
  std::size_t xsave_bytes = 0;
  bool lists_la57 = false;
  bool sregs_in_run_area = false;  // KVM_SYNC_X86_SREGS
  TlbFeatures tlb;                 // what KVM lists; not in cr4
};

// From KVM_GET_SUPPORTED_CPUID, less what no guest has (vmm/port/guest_cpu.hpp) and features whose
// enabling bit KVM refuses. XSAVE is announced wherever KVM keeps more than SSE state, and PCID and
// INVPCID wherever KVM has them: the stubs use them, and without being announced they do not work.
CpuModel make_cpu_model(std::vector<kvm_cpuid_entry2> supported, mmu::PagingMode mode);

// Loads `model` and the start state with the page tables at `root`. Optional CR4 bits that KVM
// refuses are taken out of `model` (for the next vCPU too). Error: a needed one is refused.
Result<void> boot_vcpu(const VcpuFd& vcpu, unsigned index, CpuModel& model, const VcpuArea& area, Gpa root);

// Only the registers of the start state, for a vCPU that ran before, with the control bits of
// `wanted`. Returns those that KVM takes.
Result<TlbFeatures> reset_registers(const VcpuFd& vcpu, const CpuModel& model, const VcpuArea& area, Gpa root,
                                    TlbFeatures wanted);

}  // namespace faultline::vmm::kvm
