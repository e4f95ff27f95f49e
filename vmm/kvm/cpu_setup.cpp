#include "vmm/kvm/cpu_setup.hpp"

#include <cpuid.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "vmm/kvm/cpuid.hpp"
#include "vmm/kvm/descriptors.hpp"
#include "vmm/port/guest_cpu.hpp"

namespace faultline::vmm::kvm {
namespace {

constexpr std::uint32_t kMsrStar = 0xc000'0081, kMsrLstar = 0xc000'0082, kMsrFmask = 0xc000'0084;
// SYSCALL clears all flags but the fixed one: user code's are in R11.
constexpr std::uint64_t kFmask = 0x25'7fd5;

// XCR0 components. SDM vol. 1, "XSAVE-Supported Features and State-Component Bitmaps".
constexpr std::uint64_t kX87AndSse = 0x3;
constexpr std::size_t kLegacyXsaveBytes = 512 + 64;

// An optional CR4 bit and the CPUID bit that announces it (subleaf 0).
struct OptionalBit {
  std::uint64_t cr4;
  std::uint32_t leaf;
  __u32 kvm_cpuid_entry2::*word;
  std::uint32_t bit;
};
constexpr std::uint32_t kLa57 = 1U << 16, kXsave = 1U << 26;
constexpr std::array<OptionalBit, 4> kOptional = {{{kCr4Smap, 7, &kvm_cpuid_entry2::ebx, 1U << 20},
                                                   {kCr4Smep, 7, &kvm_cpuid_entry2::ebx, 1U << 7},
                                                   {kCr4Fsgsbase, 7, &kvm_cpuid_entry2::ebx, 1U << 0},
                                                   {kCr4Osxsave, 1, &kvm_cpuid_entry2::ecx, kXsave}}};

// What a guest of any backend does not have goes out of the table.
void restrict(CpuModel& model) {
  const kvm_cpuid_entry2* state = find_cpuid(model.cpuid, 0xd);
  const std::uint64_t components =
      state == nullptr ? 0 : guest_state_components(state->eax | std::uint64_t{state->edx} << 32);
  for (kvm_cpuid_entry2& e : model.cpuid) {
    const CpuidRegs r = guest_cpuid(e.function, e.index, {e.eax, e.ebx, e.ecx, e.edx}, components);
    e.eax = r.eax, e.ebx = r.ebx, e.ecx = r.ecx, e.edx = r.edx;
  }
  // PVM lists less than user code has: instructions that need nothing of KVM, and XSAVE although
  // it keeps AVX state. Without them a C library would choose other code than it does on the host.
  constexpr std::uint32_t kLahf = 1U << 0, kLzcnt = 1U << 5, kPrefetchw = 1U << 8;
  if (kvm_cpuid_entry2* extended = find_cpuid(model.cpuid, 0x8000'0001)) {
    unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
    if (__get_cpuid(extended->function, &eax, &ebx, &ecx, &edx) != 0)
      extended->ecx |= ecx & (kLahf | kLzcnt | kPrefetchw);
  }
  kvm_cpuid_entry2* features = find_cpuid(model.cpuid, 1);
  if (features != nullptr && (components & ~kX87AndSse) != 0) features->ecx |= kXsave;
}

// SDM vol. 1, "Enumeration of CPU Support for XSAVE Instructions": CPUID.0DH.
void choose_features(CpuModel& model) {
  model.xsave_features = kX87AndSse;
  model.xsave_bytes = kLegacyXsaveBytes;
  const kvm_cpuid_entry2* state = find_cpuid(model.cpuid, 0xd);
  if (state == nullptr) return;
  model.xsave_features |= state->eax | std::uint64_t{state->edx} << 32;
  for (unsigned component = 2; component < 63; ++component) {
    if ((model.xsave_features & (1ULL << component)) == 0) continue;
    const kvm_cpuid_entry2* part = find_cpuid(model.cpuid, 0xd, component);
    if (part != nullptr) model.xsave_bytes = std::max<std::size_t>(model.xsave_bytes, part->ebx + part->eax);
  }
}

// SDM vol. 3A, "Process-Context Identifiers (PCIDs)".
constexpr std::uint32_t kPcid = 1U << 17, kInvpcid = 1U << 10, kPge = 1U << 13;

TlbFeatures listed_tlb_features(const std::vector<kvm_cpuid_entry2>& table) {
  TlbFeatures listed;
  if (const kvm_cpuid_entry2* leaf = find_cpuid(table, 1)) {
    listed.global_pages = (leaf->edx & kPge) != 0;
    listed.pcid = (leaf->ecx & kPcid) != 0;
  }
  const kvm_cpuid_entry2* leaf = find_cpuid(table, 7);
  listed.invpcid = listed.pcid && leaf != nullptr && (leaf->ebx & kInvpcid) != 0;
  return listed;
}

// KVM refuses CR4.PCIDE, and gives INVPCID #UD, unless the guest's CPUID has them.
void announce(CpuModel& model) {
  if (model.tlb.pcid) find_cpuid(model.cpuid, 1)->ecx |= kPcid;
  if (model.tlb.invpcid) find_cpuid(model.cpuid, 7)->ebx |= kInvpcid;
}

void fill_sregs(kvm_sregs& sregs, const CpuModel& model, const VcpuArea& area, Gpa root) {
  // Linux gives a new program null data segments; FS and GS have bases of their own.
  set_descriptors(sregs, {area.gdt(), area.tss(), monitor_address(kIdtFrame)});
  sregs.cr0 = kCr0;
  sregs.cr3 = root.raw();
  sregs.cr4 = model.cr4;
  sregs.efer = kEfer;
}

kvm_regs start_regs(const VcpuArea& area) {
  kvm_regs regs{};
  regs.rip = kResumeStub.raw();
  regs.rsp = area.rsp0().raw() - kIretFrameBytes;
  regs.rflags = 2;
  return regs;
}

// Sets the start state, dropping optional CR4 bits, and what CPUID says of them, one after the
// other until KVM takes it.
Result<void> set_start_sregs(const VcpuFd& vcpu, CpuModel& model, const VcpuArea& area, Gpa root) {
  auto sregs = vcpu.sregs();
  if (!sregs) return tl::unexpected(sregs.error());
  fill_sregs(*sregs, model, area, root);
  Result<void> done = vcpu.set_sregs(*sregs);
  for (const OptionalBit& bit : kOptional) {
    if (done) return done;
    if ((model.cr4 & bit.cr4) == 0) continue;
    model.cr4 &= ~bit.cr4;
    if (kvm_cpuid_entry2* leaf = find_cpuid(model.cpuid, bit.leaf)) leaf->*bit.word &= ~bit.bit;
    if (auto set = vcpu.set_cpuid(model.cpuid); !set) return set;
    fill_sregs(*sregs, model, area, root);
    done = vcpu.set_sregs(*sregs);
  }
  if (done) return done;
  if ((model.cr4 & kCr4La57) != 0) {
    return fail(
        fmt::format("this KVM refuses 5-level paging (CR4.LA57; {}): use 4-level page tables", done.error().message));
  }
  return fail(fmt::format("this KVM refuses long mode with CR4 {:#x}: {}", model.cr4, done.error().message));
}

}  // namespace

CpuModel make_cpu_model(std::vector<kvm_cpuid_entry2> supported, mmu::PagingMode mode) {
  CpuModel model;
  model.cpuid = std::move(supported);
  const kvm_cpuid_entry2* listed = find_cpuid(model.cpuid, 7);
  model.lists_la57 = listed != nullptr && (listed->ecx & kLa57) != 0;
  model.tlb = listed_tlb_features(model.cpuid);
  restrict(model);
  announce(model);
  model.cr4 = kCr4Pae | kCr4Osfxsr | kCr4Osxmmexcpt;
  for (const OptionalBit& bit : kOptional) {
    if (const kvm_cpuid_entry2* leaf = find_cpuid(model.cpuid, bit.leaf);
        leaf != nullptr && (leaf->*bit.word & bit.bit) != 0)
      model.cr4 |= bit.cr4;
  }
  if (mode == mmu::PagingMode::kFiveLevel) {
    model.cr4 |= kCr4La57;
    if (kvm_cpuid_entry2* leaf = find_cpuid(model.cpuid, 7); leaf != nullptr && model.lists_la57) leaf->ecx |= kLa57;
  }
  choose_features(model);
  return model;
}

Result<void> boot_vcpu(const VcpuFd& vcpu, unsigned index, CpuModel& model, const VcpuArea& area, Gpa root) {
  if (kvm_cpuid_entry2* leaf = find_cpuid(model.cpuid, 1)) leaf->ebx = (leaf->ebx & 0x00ff'ffff) | index << 24;
  if (auto done = vcpu.set_cpuid(model.cpuid); !done) return done;
  if (auto done = set_start_sregs(vcpu, model, area, root); !done) return done;
  if ((model.cr4 & kCr4Osxsave) != 0) {
    if (auto done = vcpu.set_xcr0(model.xsave_features); !done) return done;
  }
  // SYSRET's selectors are Linux's too, though nothing here uses it.
  constexpr std::uint64_t kStar = std::uint64_t{0x23} << 48 | std::uint64_t{FL_KERNEL_CS} << 32;
  if (auto done = vcpu.set_msr(kMsrStar, kStar); !done) return done;
  if (auto done = vcpu.set_msr(kMsrLstar, kLstar.raw()); !done) return done;
  if (auto done = vcpu.set_msr(kMsrFmask, kFmask); !done) return done;
  return vcpu.set_regs(start_regs(area));
}

Result<TlbFeatures> reset_registers(const VcpuFd& vcpu, const CpuModel& model, const VcpuArea& area, Gpa root,
                                    TlbFeatures wanted) {
  auto sregs = vcpu.sregs();
  if (!sregs) return tl::unexpected(sregs.error());
  fill_sregs(*sregs, model, area, root);
  const TlbFeatures only_global{.global_pages = wanted.global_pages};
  Result<void> done;
  TlbFeatures taken;
  for (const TlbFeatures& features : {wanted, only_global, TlbFeatures{}}) {
    taken = features;
    sregs->cr4 = model.cr4 | (features.global_pages ? kCr4Pge : 0) | (features.pcid ? kCr4Pcide : 0);
    done = vcpu.set_sregs(*sregs);
    if (done) break;
  }
  if (done) done = vcpu.set_regs(start_regs(area));
  if (!done) return tl::unexpected(done.error());
  return taken;
}

}  // namespace faultline::vmm::kvm
