#include "vmm/kvm/probe_guest.hpp"

#include <array>
#include <atomic>
#include <cstring>

namespace faultline::vmm::kvm {
namespace {

using mmu::Pte;

// mov rax, [rdi]; syscall
constexpr std::array<std::uint8_t, 5> kReadCode = {0x48, 0x8b, 0x07, 0x0f, 0x05};

constexpr std::uint64_t kReadOnlyPage = Pte::kPresent | Pte::kUser | Pte::kAccessed;

std::uint64_t* table(const GuestRam& ram, Gfn frame) { return reinterpret_cast<std::uint64_t*>(ram.at(Gpa(frame))); }

}  // namespace

Result<void> ProbeGuest::prepare() {
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
    table(ram_, at)[mmu::table_index(kCode, level)] = Pte::make(below, Pte::kTableFlags).raw();
    at = below;
  }
  FL_CHECK(next <= kFirstFreeFrame);
  table(ram_, at)[mmu::table_index(kCode, 1)] = Pte::make(code_, kReadOnlyPage).raw();
  entry_ = table(ram_, at) + mmu::table_index(kData, 1);
  *table(ram_, first_) = value_of(Target::kFirst);
  *table(ram_, second_) = value_of(Target::kSecond);
  change(Target::kFirst);
  return vcpu_.set_page_table(Gpa(root_));
}

Result<VcpuEvent> ProbeGuest::run(std::span<const std::uint8_t> code, std::uint64_t rflags) {
  std::memcpy(ram_.at(Gpa(code_)), code.data(), code.size());
  UserRegs& regs = vcpu_.edit_regs();
  regs = UserRegs{};
  regs.rip = kCode.raw();
  regs.rflags = rflags;
  regs[UserRegs::kRdi] = kData.raw();
  for (;;) {
    auto event = vcpu_.run();
    if (!event || !std::holds_alternative<InterruptedEvent>(*event)) return event;
  }
}

Result<std::optional<std::uint64_t>> ProbeGuest::read() {
  const auto event = run(kReadCode);
  if (!event) return tl::unexpected(event.error());
  if (std::holds_alternative<SyscallEvent>(*event)) return std::optional(vcpu_.regs()[UserRegs::kRax]);
  const auto* fault = std::get_if<PageFaultEvent>(&*event);
  if (fault != nullptr && fault->address == kData) return std::optional<std::uint64_t>();
  if (const auto* fatal = std::get_if<FatalEvent>(&*event)) return fail(fatal->summary);
  return fail("user code that reads one word took an exception");
}

Gfn ProbeGuest::change(Target target) {
  const Gfn before = entry().frame();
  const Gfn frame = target == Target::kFirst ? first_ : second_;
  set_entry(target == Target::kNowhere ? Pte() : Pte::make(frame, kReadOnlyPage));
  return before;
}

void ProbeGuest::set_entry(Pte value) { std::atomic_ref(*entry_).store(value.raw(), std::memory_order_release); }

mmu::TlbBatch ProbeGuest::batch(const mmu::FrameRange& stale) const {
  return {.root = Gpa(root_),
          .start = kData,
          .end = kData + kPageSize,
          .frames = std::span(&stale, 1),
          .pages = 1,
          .tables_freed = false};
}

}  // namespace faultline::vmm::kvm
