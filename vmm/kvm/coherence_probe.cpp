#include <array>
#include <cstring>

#include "mmu/arch/pte.hpp"
#include "vmm/kvm/sink_choice.hpp"

namespace faultline::vmm::kvm {
namespace {

using mmu::Pte;

constexpr Gva kProbeCode{0x40'0000};
constexpr Gva kProbeData = kProbeCode + kPageSize;
// mov rax, [rdi]; syscall; jmp to the first
constexpr std::array<std::uint8_t, 7> kProbeBytes = {0x48, 0x8b, 0x07, 0x0f, 0x05, 0xeb, 0xf9};

constexpr std::uint64_t kReadOnlyPage = Pte::kPresent | Pte::kUser | Pte::kAccessed;

std::uint64_t* table(const GuestRam& ram, Gfn frame) { return reinterpret_cast<std::uint64_t*>(ram.at(Gpa(frame))); }

}  // namespace

CoherenceProbe::CoherenceProbe(const GuestRam& ram, KvmVcpu& vcpu, mmu::PagingMode mode)
    : ram_(ram), vcpu_(vcpu), mode_(mode) {}

Result<void> CoherenceProbe::prepare() {
  Gfn next = kFirstScratchFrame;
  const auto take = [&] {
    const Gfn frame = next;
    next = next + 1;
    return frame;
  };
  root_ = take(), code_ = take(), first_ = take(), second_ = take();
  std::memcpy(table(ram_, root_), table(ram_, kKernelHalfFrame), kPageSize);
  Gfn at = root_;
  for (mmu::Level level = mmu::levels(mode_); level > 1; --level) {
    const Gfn below = take();
    table(ram_, at)[mmu::table_index(kProbeCode, level)] = Pte::make(below, Pte::kTableFlags).raw();
    at = below;
  }
  FL_CHECK(next <= kFirstFreeFrame);
  table(ram_, at)[mmu::table_index(kProbeCode, 1)] = Pte::make(code_, kReadOnlyPage).raw();
  entry_ = table(ram_, at) + mmu::table_index(kProbeData, 1);
  std::memcpy(ram_.at(Gpa(code_)), kProbeBytes.data(), kProbeBytes.size());
  *table(ram_, first_) = value_of(Target::kFirst);
  *table(ram_, second_) = value_of(Target::kSecond);
  change(Target::kFirst);
  return vcpu_.set_page_table(Gpa(root_));
}

Result<std::optional<std::uint64_t>> CoherenceProbe::read() {
  UserRegs& regs = vcpu_.edit_regs();
  regs = UserRegs{};
  regs.rip = kProbeCode.raw();
  regs[UserRegs::kRdi] = kProbeData.raw();
  for (;;) {
    auto event = vcpu_.run();
    if (!event) return tl::unexpected(event.error());
    if (std::holds_alternative<SyscallEvent>(*event)) return std::optional(vcpu_.regs()[UserRegs::kRax]);
    if (const auto* fault = std::get_if<PageFaultEvent>(&*event); fault != nullptr && fault->address == kProbeData) {
      return std::optional<std::uint64_t>();
    }
    if (const auto* fatal = std::get_if<FatalEvent>(&*event)) return fail(fatal->summary);
    if (!std::holds_alternative<InterruptedEvent>(*event)) return fail("the self-test's code took an exception");
  }
}

Gfn CoherenceProbe::change(Target target) {
  const Gfn before = Pte(*entry_).frame();
  const Gfn frame = target == Target::kFirst ? first_ : second_;
  const std::uint64_t value = target == Target::kNowhere ? 0 : Pte::make(frame, kReadOnlyPage).raw();
  std::atomic_ref(*entry_).store(value, std::memory_order_release);
  return before;
}

mmu::TlbBatch CoherenceProbe::batch(const mmu::FrameRange& stale) const {
  return {.root = Gpa(root_),
          .start = kProbeData,
          .end = kProbeData + kPageSize,
          .frames = std::span(&stale, 1),
          .pages = 1,
          .tables_freed = false};
}

}  // namespace faultline::vmm::kvm
