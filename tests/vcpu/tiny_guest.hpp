// A machine with one vCPU and user pages mapped by hand: what the tests of the vCPU port and of the
// backends run their few bytes of guest code in. Shares nothing with mmu's page tables but the
// masks of an entry.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <span>
#include <variant>
#include <vector>

#include "mmu/arch/pte.hpp"
#include "vmm/port/machine.hpp"

namespace faultline::vmm::testing {

inline constexpr Gva kCode{0x40'0000};
inline constexpr Gva kData{0x50'0000};
inline constexpr Gva kStack{0x7ff0'0000'0000};  // one page below this
inline constexpr std::uint64_t kUserPage =
    mmu::Pte::kPresent | mmu::Pte::kUser | mmu::Pte::kWrite | mmu::Pte::kAccessed | mmu::Pte::kDirty;
inline constexpr std::uint64_t kSyscallBytes = 2;

class TinyGuest {
 public:
  // On any backend's machine.
  static Result<std::unique_ptr<TinyGuest>> create_on(Result<std::unique_ptr<Machine>> machine) {
    if (!machine) return tl::unexpected(machine.error());
    auto vcpu = (*machine)->create_vcpu();
    if (!vcpu) return tl::unexpected(vcpu.error());
    return std::unique_ptr<TinyGuest>(new TinyGuest(std::move(*machine), std::move(*vcpu)));
  }

  [[nodiscard]] Machine& machine() { return *machine_; }
  [[nodiscard]] Vcpu& vcpu() { return *vcpu_; }
  [[nodiscard]] Gfn root() const { return root_; }
  [[nodiscard]] std::byte* page(Gfn frame) { return machine_->frames().memory().page(frame).data(); }
  Gfn frame() { return machine_->frames().allocate(mmu::FrameKind::kAnon, mmu::Zeroing::kNeeded).value(); }

  // The level-1 entry of `va`, with the tables above it.
  std::uint64_t& entry(Gva va) { return entry_in(root_, va); }
  std::uint64_t& entry_in(Gfn root, Gva va) {
    Gfn table = root;
    for (mmu::Level level = mmu::levels(machine_->mode()); level > 1; --level) {
      std::uint64_t& slot = slots(table)[mmu::table_index(va, level)];
      if (slot == 0) slot = mmu::Pte::make(frame(), mmu::Pte::kTableFlags).raw();
      table = mmu::Pte(slot).frame();
    }
    return slots(table)[mmu::table_index(va, 1)];
  }
  // From here on, map() and entry() mean a new, empty address space. The vCPU's stays.
  void new_root() {
    root_ = frame();
    if (const Gfn half = machine_->kernel_half(); half != Gfn(0)) std::memcpy(page(root_), page(half), kPageSize);
  }
  // A zeroed page at `va`; returns its bytes.
  std::byte* map(Gva va, std::uint64_t flags = kUserPage) {
    const Gfn f = frame();
    entry(va) = mmu::Pte::make(f, flags).raw();
    return page(f);
  }
  // Gives `va` another entry, and has the sink invalidate what was there before.
  void change(Gva va, std::uint64_t value) {
    const mmu::FrameRange before{mmu::Pte(entry(va)).frame(), 1};
    entry(va) = value;
    machine_->sink().flush(
        {.root = Gpa(root_), .start = va, .end = va + kPageSize, .frames = std::span(&before, 1), .pages = 1});
  }
  // The bytes of the page that is mapped at `va`.
  std::byte* bytes(Gva va) { return page(mmu::Pte(entry(va)).frame()); }
  // Puts code at kCode, a page at kData and a stack, and points the vCPU at it.
  void load(const std::vector<unsigned>& code) {
    std::byte* at = map(kCode);
    for (unsigned byte : code) *at++ = static_cast<std::byte>(byte);
    map(kData);
    map(kStack - kPageSize);
    start();
  }
  void start() {
    UserRegs& r = vcpu_->edit_regs();
    r = UserRegs{};
    r.rip = kCode.raw();
    r[UserRegs::kRsp] = kStack.raw() - 64;
  }

  // Runs to the next event of type Event; anything else fails the test.
  template <class Event>
  Event expect() {
    auto result = vcpu_->run();
    if (!result) {
      ADD_FAILURE() << result.error().message;
      return Event{};
    }
    if (const auto* event = std::get_if<Event>(&*result)) return *event;
    ADD_FAILURE() << "another event: " << describe(*result);
    return Event{};
  }

  static std::string describe(const VcpuEvent& event) {
    if (const auto* e = std::get_if<PageFaultEvent>(&event)) {
      return "#PF at " + std::to_string(e->address.raw()) + " error " + std::to_string(e->error.raw());
    }
    if (const auto* e = std::get_if<ExceptionEvent>(&event)) {
      return "vector " + std::to_string(e->vector) + " error " + std::to_string(e->error_code);
    }
    if (const auto* e = std::get_if<FatalEvent>(&event)) return "fatal: " + e->summary + "\n" + e->detail;
    return std::holds_alternative<SyscallEvent>(event) ? "syscall" : "interrupted";
  }

 private:
  TinyGuest(std::unique_ptr<Machine> machine, std::unique_ptr<Vcpu> vcpu)
      : machine_(std::move(machine)), vcpu_(std::move(vcpu)) {
    new_root();
    const auto done = vcpu_->set_page_table(Gpa(root_));
    EXPECT_TRUE(done.has_value());
  }
  std::uint64_t* slots(Gfn table) { return reinterpret_cast<std::uint64_t*>(page(table)); }

  std::unique_ptr<Machine> machine_;
  std::unique_ptr<Vcpu> vcpu_;
  Gfn root_;
};

}  // namespace faultline::vmm::testing
