#include "vmm/kvm/monitor_check.hpp"

#include <fmt/format.h>

#include <array>
#include <cstring>

#include "mmu/pgtable/walk.hpp"

namespace faultline::vmm::kvm {
namespace {

using mmu::ErrorCode;

constexpr std::array<const char*, FL_VECTORS> kNames = {
    "#DE", "#DB", "NMI", "#BP", "#OF", "#BR", "#UD", "#NM", "#DF", "", "#TS", "#NP", "#SS", "#GP", "#PF", "",
    "#MF", "#AC", "#MC", "#XM", "#VE", "#CP", "",    "",    "",    "", "",    "",    "#HV", "#VC", "#SX", ""};

class Check {
 public:
  Check(const GuestRam& ram, mmu::PagingMode mode, Gpa root, unsigned vcpu)
      : ram_(ram), mode_(mode), root_(root), vcpu_(vcpu), area_(ram, vcpu) {}

  std::vector<std::string> run() {
    translation("the IDT", monitor_address(kIdtFrame), kIdtFrame, 0);
    gates();
    translation("the entry stubs", monitor_address(kStubFrame), kStubFrame, ErrorCode::kFetch);
    translation("the page of GDT, TSS and stacks", area_.gdt(), kFirstVcpuFrame + vcpu_, ErrorCode::kWrite);
    vcpu_page();
    return std::move(findings_);
  }

 private:
  void translation(const char* what, Gva at, Gfn frame, std::uint32_t access) {
    const mmu::Walk walk = mmu::walk(ram_.memory(), root_.page(), mode_, at);
    if (!walk.mapped()) {
      const mmu::Blame why = mmu::blame(walk, ErrorCode(access));
      findings_.push_back(
          fmt::format("{} at {:#x} is not mapped: level {}, bit {}", what, at.raw(), why.level, why.bit));
      return;
    }
    const mmu::Rights rights = walk.last().rights;
    if (walk.physical() != Gpa(frame)) {
      findings_.push_back(fmt::format("{} at {:#x} is mapped to {:#x} instead of {:#x}", what, at.raw(),
                                      walk.physical().raw(), Gpa(frame).raw()));
    }
    if (rights.user) findings_.push_back(fmt::format("{} is open to user code", what));
    if ((access & ErrorCode::kWrite) != 0 && !rights.write) findings_.push_back(fmt::format("{} is read-only", what));
    if ((access & ErrorCode::kFetch) != 0 && !rights.execute) {
      findings_.push_back(fmt::format("{} may not be executed", what));
    }
  }

  enum class Gate : std::uint8_t { kSound, kAbsent, kChanged };
  [[nodiscard]] Gate gate(unsigned vector) const {
    const std::array<std::uint64_t, 2> found = load(Gpa(kIdtFrame) + vector * 16);
    constexpr std::uint64_t kPresentBit = 1ULL << 47;
    if (found == idt_gate(vector)) return Gate::kSound;
    return (found[0] & kPresentBit) == 0 ? Gate::kAbsent : Gate::kChanged;
  }

  // Neighbours with the same trouble share a line.
  void gates() {
    for (unsigned first = 0; first < FL_VECTORS;) {
      const Gate state = gate(first);
      unsigned last = first;
      while (last + 1 < FL_VECTORS && gate(last + 1) == state) ++last;
      if (state != Gate::kSound) {
        std::string range = fmt::format("{} ({})", first, vector_name(first));
        if (last != first) range += fmt::format(" to {} ({})", last, vector_name(last));
        findings_.push_back(
            fmt::format("IDT gate {} {}", range,
                        state == Gate::kAbsent ? "is not present" : "leads elsewhere or has other rights"));
      }
      first = last + 1;
    }
  }

  // Stacks may hold anything; GDT and TSS are as build() writes them.
  void vcpu_page() {
    std::array<std::byte, VcpuArea::kFixedBytes> wanted{};
    area_.write_fixed_part(wanted);
    const std::byte* found = ram_.at(Gpa(kFirstVcpuFrame + vcpu_));
    for (std::size_t offset = 0; offset < wanted.size(); offset += 8) {
      std::uint64_t a = 0;
      std::uint64_t b = 0;
      std::memcpy(&a, found + offset, 8);
      std::memcpy(&b, wanted.data() + offset, 8);
      if (a == b) continue;
      findings_.push_back(fmt::format("{} +{:#x} holds {:#018x}, should be {:#018x}",
                                      offset < VcpuArea::kTssOffset ? "GDT" : "TSS",
                                      offset < VcpuArea::kTssOffset ? offset : offset - VcpuArea::kTssOffset, a, b));
    }
  }

  std::array<std::uint64_t, 2> load(Gpa at) const {
    std::array<std::uint64_t, 2> words{};
    std::memcpy(words.data(), ram_.at(at), sizeof words);
    return words;
  }

  const GuestRam& ram_;
  mmu::PagingMode mode_;
  Gpa root_;
  unsigned vcpu_;
  VcpuArea area_;
  std::vector<std::string> findings_;
};

}  // namespace

std::vector<std::string> check_monitor(const GuestRam& ram, mmu::PagingMode mode, Gpa root, unsigned vcpu) {
  return Check(ram, mode, root, vcpu).run();
}

std::string vector_name(unsigned vector) {
  if (vector < kNames.size() && *kNames[vector] != '\0') return kNames[vector];
  return fmt::format("vector {}", vector);
}

}  // namespace faultline::vmm::kvm
