// A process with a kernel half, in every paging mode.
#pragma once

#include "mmu/kernel/hooks.hpp"
#include "mmu/kernel/kernel_half.hpp"
#include "tests/unit/support/fault_fixture.hpp"

namespace faultline::mmu {

// Where a kernel of each mode has its vmalloc area: in an entry of the root that nobody has yet.
inline Gva vmalloc_start(PagingMode mode) {
  return mode == PagingMode::kFiveLevel ? Gva(0xffa0'0000'0000'0000) : Gva(0xffff'c900'0000'0000);
}
inline constexpr std::uint64_t kKernelRw = Pte::kPresent | Pte::kWrite | Pte::kAccessed | Pte::kDirty | Pte::kNoExecute;
inline constexpr std::uint64_t kKernelRo = Pte::kPresent | Pte::kAccessed | Pte::kNoExecute;
inline constexpr std::uint64_t kKernelText = Pte::kPresent | Pte::kAccessed;

class KernelFaultTest : public FaultTest {
 protected:
  Gva area() const { return vmalloc_start(GetParam()); }
  Level top() const { return levels(GetParam()); }

  void SetUp() override {
    FaultTest::SetUp();
    reference = KernelTables::create(g.frames, g.sink, GetParam(), Gfn(0));
    ASSERT_NE(reference, nullptr);
    share(top());
  }
  void TearDown() override {
    mm->kernel = nullptr;
    FaultTest::TearDown();
    half.reset();
    reference.reset();
    EXPECT_EQ(g.frames.check_invariants(), std::nullopt);
  }
  void share(Level level) {
    half = std::make_unique<KernelHalf>(*reference, level);
    half->add_area({area(), area() + (1ULL << 30)});
    half->hooks = &hooks;
    mm->kernel = half.get();
  }
  void map(Gva va, std::uint64_t flags, Level level = 1) {
    const auto done = reference->map(va, frame(), flags, level);
    ASSERT_TRUE(done) << done.error().message;
  }
  // A frame that is aligned for any page; nobody looks into it.
  static Gfn frame() { return Gfn(0); }
  FaultOutcome kernel_fault(Gva at, std::uint32_t error, KernelContext context = {.fixup = false}) {
    return handle_page_fault(*mm, {.address = at,
                                   .error = ErrorCode(error),
                                   .ip = Gva(0xffff'ffff'8100'0000),
                                   .origin = FaultOrigin::kKernel,
                                   .kernel = context});
  }
  Walk own_walk(Gva at) { return mm->tables().walk(at); }
  PteSlot reference_slot(Gva at, Level level) {
    const Walk w = reference->walk(at);
    for (unsigned i = 0; i < w.count; ++i)
      if (w.steps[i].level == level) return PteSlot(g.frames.memory(), w.steps[i].slot.page(), table_index(at, level));
    return {};
  }
  // Writes an entry as code at CPL0 would, past every editor.
  void poke(PteSlot slot, std::uint64_t value) {
    std::memcpy(g.frames.memory().at(slot.address()), &value, sizeof value);
  }

  KernelHooks hooks;
  std::unique_ptr<KernelTables> reference;
  std::unique_ptr<KernelHalf> half;
};

}  // namespace faultline::mmu
