// Doctor's probes: a few instructions each, and what came of them.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "mmu/arch/vector.hpp"
#include "vmm/kvm/cpuid.hpp"
#include "vmm/kvm/doctor_parts.hpp"
#include "vmm/kvm/monitor_check.hpp"
#include "vmm/kvm/probe_guest.hpp"

namespace faultline::vmm::kvm {
namespace {

using Code = std::vector<std::uint8_t>;
using Target = ProbeGuest::Target;

using mmu::vector::kDebug, mmu::vector::kGeneralProtection, mmu::vector::kPageFault;
constexpr std::uint64_t kTrapFlag = 1U << 8;

std::string text_of(const VcpuEvent& event) {
  if (const auto* e = std::get_if<ExceptionEvent>(&event)) return vector_name(e->vector);
  if (std::holds_alternative<PageFaultEvent>(event)) return "#PF";
  if (std::holds_alternative<SyscallEvent>(event)) return "runs";
  return "stops the vCPU";
}

bool is_exception(const VcpuEvent& event, unsigned vector) {
  const auto* e = std::get_if<ExceptionEvent>(&event);
  return e != nullptr && e->vector == vector;
}

class Prober {
 public:
  Prober(KvmMachine& machine, KvmVcpu& vcpu, DoctorReport& report)
      : machine_(machine), vcpu_(vcpu), report_(report), guest_(machine.ram(), vcpu, machine.mode()) {}

  Result<void> run() {
    if (auto ready = guest_.prepare(); !ready) return ready;
    machine_.sink().drop_all();
    using Step = Result<void> (Prober::*)();
    constexpr std::array<Step, 10> kSteps = {
        &Prober::syscall_entry, &Prober::cpuid,        &Prober::host_edit, &Prober::upper_half, &Prober::reserved_bit,
        &Prober::trap_flag,     &Prober::software_int, &Prober::hypercall, &Prober::switches,   &Prober::costs};
    for (const Step step : kSteps) {
      if (auto done = (this->*step)(); !done) return done;
    }
    features();
    return {};
  }

 private:
  void found(const char* name, std::string finding, bool usual) {
    report_.probes.push_back({name, std::move(finding), usual});
  }

  Result<void> syscall_entry() {
    const auto event = guest_.run(Code{0x0f, 0x05});
    if (!event) return tl::unexpected(event.error());
    const kvm_run& area = vcpu_.run_area();
    const bool at_cpl0 = area.io.port == FL_PORT_SYSCALL;
    found("syscall-entry", at_cpl0 ? "enters LSTAR at CPL0" : "stays at CPL3 and faults on the page of LSTAR", at_cpl0);
    // Every OUT of a stub is two bytes long.
    const unsigned out = at_cpl0 ? FL_STUB_SYSCALL : kPageFault * FL_STUB_BYTES + 4;
    const bool at_out = Gva(area.s.regs.regs.rip).page_offset() == out;
    found("rip-at-io-exit", at_out ? "at the OUT" : "behind the OUT", true);
    return {};
  }

  Result<void> cpuid() {
    const auto event = guest_.run(Code{0xb8, 0x01, 0x00, 0x00, 0x00, 0x0f, 0xa2, 0x89, 0xca, 0x0f, 0x05});
    if (!event) return tl::unexpected(event.error());
    const auto seen = static_cast<std::uint32_t>(vcpu_.regs()[UserRegs::kRdx]);
    const kvm_cpuid_entry2* leaf = find_cpuid(machine_.cpu_model().cpuid, 1);
    constexpr std::uint32_t kDynamic = 1U << 27 | 1U << 31;  // OSXSAVE follows CR4; "hypervisor" may come or go
    const bool same = leaf != nullptr && ((leaf->ecx ^ seen) & ~kDynamic) == 0;
    found("cpuid-in-user-code", same ? "what KVM was told" : fmt::format("the host's own (leaf 1 ECX {:#x})", seen),
          same);
    return {};
  }

  // Whether a live translation that the host changed is used on.
  Result<void> host_edit() {
    if (const auto warm = guest_.read(); !warm) return tl::unexpected(warm.error());
    const mmu::FrameRange stale{guest_.change(Target::kSecond), 1};
    const auto seen = guest_.read();
    if (!seen) return tl::unexpected(seen.error());
    const bool fresh = *seen == ProbeGuest::value_of(Target::kSecond);
    found("host-edit-of-live-entry", fresh ? "seen at once" : "not seen until it is invalidated", true);
    machine_.sink().flush(guest_.batch(stale));
    return {};
  }

  Result<void> upper_half() {
    constexpr std::uint64_t kUnmapped = 0xffff'a000'0000'0000;
    Code code = {0x48, 0xbf, 0, 0, 0, 0, 0, 0, 0, 0, 0x48, 0x8b, 0x07};  // mov rdi, imm64; mov rax, [rdi]
    std::memcpy(code.data() + 2, &kUnmapped, sizeof kUnmapped);
    return page_fault("upper-half-read-error-code", code, mmu::ErrorCode::kUser);
  }

  Result<void> reserved_bit() {
    constexpr std::uint64_t kBit51 = 1ULL << 51;
    const mmu::Pte before = guest_.entry();
    const mmu::FrameRange stale{before.frame(), 1};
    guest_.set_entry(before.with(kBit51));
    machine_.sink().flush(guest_.batch(stale));
    auto done = page_fault("reserved-bit-error-code", Code{0x48, 0x8b, 0x07},
                           mmu::ErrorCode::kPresent | mmu::ErrorCode::kUser | mmu::ErrorCode::kReserved);
    guest_.set_entry(before);
    return done;
  }

  Result<void> page_fault(const char* name, const Code& code, std::uint32_t expected) {
    const auto event = guest_.run(code);
    if (!event) return tl::unexpected(event.error());
    if (!std::holds_alternative<PageFaultEvent>(*event)) {
      found(name, fmt::format("no #PF: {}", text_of(*event)), false);
      return {};
    }
    const mmu::ErrorCode error(static_cast<std::uint32_t>(vcpu_.stub_frame(kPageFault).error_code));
    found(name, fmt::format("{:#x} ({})", error.raw(), error.bit_names()), error.raw() == expected);
    return {};
  }

  Result<void> trap_flag() {
    const auto event = guest_.run(Code{0x90, 0x90, 0x0f, 0x05}, 0x202 | kTrapFlag);
    if (!event) return tl::unexpected(event.error());
    const std::uint64_t offset = vcpu_.regs().rip - ProbeGuest::kCode.raw();
    const bool right = is_exception(*event, kDebug) && offset == 1;
    found("trap-flag", right ? "#DB after one instruction" : fmt::format("{} at +{}", text_of(*event), offset), right);
    return {};
  }

  Result<void> software_int() {
    const auto event = guest_.run(Code{0xcd, 0x80, 0x0f, 0x05});
    if (!event) return tl::unexpected(event.error());
    found("int-0x80", text_of(*event), is_exception(*event, kGeneralProtection));
    return {};
  }

  Result<void> hypercall() {
    const auto event = guest_.run(Code{0x0f, 0x01, 0xc1, 0x0f, 0x05});
    if (!event) return tl::unexpected(event.error());
    const bool ran = std::holds_alternative<SyscallEvent>(*event);
    found("vmcall-in-user-code", ran ? "returns an error, no exit" : text_of(*event), true);
    return {};
  }

  // How the TLB is kept apart for several processes.
  Result<void> switches() {
    const auto taken = takes_pcide();
    if (!taken) return tl::unexpected(taken.error());
    const bool listed = machine_.cpu_model().tlb.pcid;
    const TlbFeatures& tlb = vcpu_.tlb_features();
    const bool shadow = machine_.sink_choice().variant == StubVariant::kPlain;
    const char* pcids = *taken ? "this KVM has PCIDs, of no use where it keeps tables of its own"
                               : (listed ? "this KVM lists PCIDs and refuses CR4.PCIDE" : "this KVM refuses CR4.PCIDE");
    found("address-space-switches",
          tlb.pcid ? fmt::format("{} PCIDs with NOFLUSH, {}", mmu::AsidCache::kMaxSlots,
                                 tlb.invpcid ? "INVPCID for single pages" : "no INVPCID")
                   : fmt::format("plain CR3 loads; {}", pcids),
          *taken == listed);
    found("global-pages",
          tlb.global_pages ? "yes, the supervisor half"
                           : (shadow ? "no, KVM keeps tables of its own" : "no, CR4.PGE is not to be had"),
          shadow || tlb.global_pages);
    return lazy_switches(shadow);
  }

  // On a vCPU of its own that is told all that KVM has.
  Result<bool> takes_pcide() {
    const auto bare = machine_.create_bare_vcpu(Gpa(kKernelHalfFrame));
    if (!bare) return tl::unexpected(bare.error());
    auto table = machine_.system().supported_cpuid();
    if (!table) return tl::unexpected(table.error());
    auto sregs = bare->fd.sregs();
    if (!sregs) return tl::unexpected(sregs.error());
    sregs->cr4 |= kCr4Pcide;
    return bare->fd.set_cpuid(*table) && bare->fd.set_sregs(*sregs);
  }

  // Away and back again, without user code in between.
  Result<void> lazy_switches(bool shadow) {
    if (shadow) {
      found("lazy-switches", "no, the host loads CR3", true);
      return {};
    }
    if (const auto warm = guest_.read(); !warm) return tl::unexpected(warm.error());
    const AddressSpaceLoads before = vcpu_.address_space_loads();
    for (const Gpa root : {Gpa(kKernelHalfFrame), guest_.root()})
      if (auto switched = vcpu_.set_page_table(root); !switched) return switched;
    if (const auto again = guest_.read(); !again) return tl::unexpected(again.error());
    const AddressSpaceLoads now = vcpu_.address_space_loads();
    const bool lazy = now.kept == before.kept && now.flushed == before.flushed;
    found("lazy-switches", lazy ? "yes, tables that come back are not loaded again" : "no", lazy);
    return {};
  }

  // Medians of a few dozen round trips. The page fault is one that stays: no entry is edited.
  Result<void> costs() {
    const mmu::FrameRange stale{guest_.change(Target::kNowhere), 1};
    machine_.sink().flush(guest_.batch(stale));
    if (auto done = cost("page fault, there and back (us)", Code{0x48, 0x8b, 0x07}); !done) return done;
    return cost("system call, there and back (us)", Code{0x0f, 0x05});
  }

  Result<void> cost(const char* name, const Code& code) {
    std::array<std::uint64_t, 51> samples{};
    for (std::uint64_t& sample : samples) {
      const auto event = guest_.run(code);
      if (!event) return tl::unexpected(event.error());
      sample = vcpu_.last_run().left_ns - vcpu_.last_run().entered_ns;
    }
    std::ranges::nth_element(samples, samples.begin() + samples.size() / 2);
    const std::uint64_t median = samples[samples.size() / 2];
    report_.costs.push_back({name, fmt::format("{}.{}", median / 1000, median % 1000 / 100)});
    return {};
  }

  void features() {
    const CpuModel& model = machine_.cpu_model();
    found("extended-state", fmt::format("{:#x}, {} bytes", model.xsave_features, model.xsave_bytes), true);
    found("cr4", fmt::format("{:#x}", model.cr4), true);
    MachineConfig five;
    five.memory_bytes = 16ULL << 20;
    five.mode = mmu::PagingMode::kFiveLevel;
    const bool works = KvmMachine::create(five).has_value();
    const char* refused = model.lists_la57 ? "refused, though CPUID lists it" : "not offered";
    found("five-level-paging", works ? "works" : refused, works == model.lists_la57);
  }

  KvmMachine& machine_;
  KvmVcpu& vcpu_;
  DoctorReport& report_;
  ProbeGuest guest_;
};

}  // namespace

Result<void> probe_machine(KvmMachine& machine, DoctorReport& report) {
  auto vcpu = machine.create_kvm_vcpu();
  if (!vcpu) return tl::unexpected(vcpu.error());
  for (auto& [name, value] : describe((*vcpu)->capabilities())) report.vcpu.push_back({name, value});
  return Prober(machine, **vcpu, report).run();
}

}  // namespace faultline::vmm::kvm
