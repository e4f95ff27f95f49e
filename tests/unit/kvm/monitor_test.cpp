#include "vmm/kvm/monitor.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "mmu/pgtable/walk.hpp"
#include "vmm/kvm/guest_tlb.hpp"

namespace faultline::vmm::kvm {
namespace {

class Monitor : public ::testing::TestWithParam<mmu::PagingMode> {
 protected:
  void SetUp() override {
    auto ram = GuestRam::create(Gpa(kFirstFreeFrame).raw());
    ASSERT_TRUE(ram.has_value()) << ram.error().message;
    ram_ = std::move(*ram);
    build_monitor(ram_, GetParam(), StubVariant::kPlain);
    VcpuArea(ram_, 0).build();
  }
  mmu::Walk walk(Gva va) const { return mmu::walk(ram_.memory(), kKernelHalfFrame, GetParam(), va); }
  std::uint64_t word(Gpa at) const {
    std::uint64_t value = 0;
    std::memcpy(&value, ram_.at(at), sizeof value);
    return value;
  }
  // Where `va` is, by the tables.
  std::uint64_t word_at(Gva va) const { return word(walk(va).physical()); }

  GuestRam ram_;
};

TEST_P(Monitor, UserHalfOfTheRootIsEmpty) {
  for (unsigned i = 0; i < mmu::kEntriesPerTable / 2; ++i) EXPECT_EQ(word(Gpa(kKernelHalfFrame) + i * 8), 0U);
}

TEST_P(Monitor, NothingIsOpenToUserCode) {
  for (std::uint64_t frame = 0; frame < kFirstFreeFrame.raw(); ++frame) {
    const mmu::Walk w = walk(monitor_address(Gfn(frame)));
    if (!w.mapped()) continue;
    EXPECT_FALSE(w.last().rights.user) << frame;
    EXPECT_FALSE(w.last().rights.write && w.last().rights.execute) << frame;
    EXPECT_EQ(w.physical(), Gpa(Gfn(frame)));
  }
  EXPECT_FALSE(walk(monitor_address(Gfn(0))).mapped());
  EXPECT_FALSE(walk(monitor_address(kKernelHalfFrame)).mapped());
  EXPECT_FALSE(walk(monitor_address(kFirstScratchFrame)).mapped());
  EXPECT_TRUE(walk(kLstar).last().rights.execute);
}

TEST_P(Monitor, EveryGateLeadsToItsStub) {
  for (unsigned v = 0; v < FL_VECTORS; ++v) {
    const std::uint64_t low = word_at(monitor_address(kIdtFrame) + v * 16);
    const std::uint64_t high = word_at(monitor_address(kIdtFrame) + v * 16 + 8);
    const std::uint64_t target = (low & 0xffff) | (low >> 48 & 0xffff) << 16 | high << 32;
    const std::uint64_t stub = v == 3 ? FL_STUB_STEP : v * FL_STUB_BYTES;
    EXPECT_EQ(target, monitor_address(kStubFrame).raw() + stub);
    EXPECT_EQ(low >> 16 & 0xffff, FL_KERNEL_CS);
    EXPECT_EQ(low >> 40 & 0x1f, 0xeU) << "interrupt gate";
    EXPECT_EQ(low >> 45 & 3, v == 3 || v == 4 ? 3U : 0U) << "DPL of " << v;
    EXPECT_NE(low >> 47 & 1, 0U) << "present";
    const bool own_stack = v == 1 || v == 2 || v == 8 || v == 18;
    EXPECT_EQ((low >> 32 & 7) != 0, own_stack) << v;
  }
}

// What the host relies on: the OUT of each stub goes to the port of its vector.
TEST_P(Monitor, EveryStubGoesOutThroughItsPort) {
  for (const StubVariant variant : {StubVariant::kPlain, StubVariant::kFlush}) {
    write_stubs(ram_, variant);
    const std::byte* stubs = ram_.at(Gpa(kStubFrame));
    for (unsigned v = 0; v < FL_VECTORS; ++v) {
      const bool pushes = ((FL_VECTORS_WITH_ERROR_CODE >> v) & 1) == 0;
      const std::byte* at = stubs + v * FL_STUB_BYTES;
      const std::array<unsigned, 8> code = {0x6a, 0x00, 0x50, 0x0f, 0x20, 0xd0, 0xe6, FL_PORT_EXCEPTION + v};
      for (std::size_t i = pushes ? 0 : 2; i < code.size(); ++i)
        EXPECT_EQ(std::to_integer<unsigned>(*at++), code[i]) << v;
    }
    EXPECT_EQ(std::to_integer<unsigned>(stubs[FL_STUB_SYSCALL]), 0xe6U);
    EXPECT_EQ(std::to_integer<unsigned>(stubs[FL_STUB_SYSCALL + 1]), static_cast<unsigned>(FL_PORT_SYSCALL));
    const std::byte* end = stubs + FL_STUB_TLB;
    const std::array iretq = {std::byte{0x48}, std::byte{0xcf}};
    EXPECT_NE(std::search(stubs + FL_STUB_RESUME, end, iretq.begin(), iretq.end()), end);
  }
}

// The room for descriptors of INVPCID is below the frame, and touches no other stack.
TEST_P(Monitor, DescriptorsFitBelowTheFrame) {
  const VcpuArea area(ram_, 0);
  constexpr std::size_t kBytes = FL_MAX_INVALIDATIONS * sizeof(InvpcidDescriptor);
  const std::byte* page = ram_.at(Gpa(kFirstVcpuFrame));
  const auto room = area.below_frame(kBytes);
  EXPECT_EQ(room.size(), kBytes);
  EXPECT_EQ(room.data() + kBytes - page,
            static_cast<std::ptrdiff_t>(area.rsp0() - area.gdt() - kIretFrameBytes - sizeof(std::uint64_t)));
  for (const unsigned v : {1U, 2U, 8U, 18U})
    EXPECT_GT(room.data(), reinterpret_cast<const std::byte*>(&area.frame(v)) + sizeof(StubFrame)) << v;
}

TEST_P(Monitor, StepsLieBetweenTheStacks) {
  const VcpuArea area(ram_, 0);
  const std::byte* page = ram_.at(Gpa(kFirstVcpuFrame));
  area.set_steps(std::vector<std::uint64_t>(FL_MAX_STEPS, 0x5000));
  EXPECT_EQ(area.steps_taken(), 0U);
  const Gva next(word(Gpa(kFirstVcpuFrame) + FL_STEP_NEXT));
  EXPECT_EQ(word_at(next), 0x5000U);
  EXPECT_EQ(word_at(next + 8 * (FL_MAX_STEPS - 1)), 0x5000U);
  EXPECT_EQ(word_at(next + 8 * FL_MAX_STEPS), 0U) << "the end";
  EXPECT_GE(page + FL_STEP_NEXT, reinterpret_cast<const std::byte*>(&area.frame(18) + 1));
  EXPECT_LE(page + FL_STEP_VALUES + 8 * (FL_MAX_STEPS + 1),
            area.below_frame(FL_MAX_INVALIDATIONS * sizeof(InvpcidDescriptor)).data());
  area.set_steps({});
  EXPECT_EQ(word_at(Gva(word(Gpa(kFirstVcpuFrame) + FL_STEP_NEXT))), 0U);
}

// What CR3 loads need not drop: none of it is ever edited.
TEST_P(Monitor, EveryPageOfItIsGlobal) {
  for (std::uint64_t frame = 0; frame < kFirstFreeFrame.raw(); ++frame) {
    const mmu::Walk w = walk(monitor_address(Gfn(frame)));
    if (w.mapped()) {
      EXPECT_TRUE(w.last().entry.has(mmu::Pte::kGlobal)) << frame;
    }
  }
}

TEST_P(Monitor, TssHasAStackForEachVectorThatNeedsOne) {
  const VcpuArea area(ram_, 0);
  EXPECT_EQ(word(Gpa(kFirstVcpuFrame) + VcpuArea::kTssOffset + 4), area.rsp0().raw());
  std::vector<std::uint64_t> tops = {area.rsp0().raw()};
  for (unsigned i = 0; i < 4; ++i) tops.push_back(word(Gpa(kFirstVcpuFrame) + VcpuArea::kTssOffset + 36 + i * 8));
  std::ranges::sort(tops);
  EXPECT_GT(tops[0] - area.gdt().raw(), VcpuArea::kFixedBytes + 256);
  for (std::size_t i = 1; i < tops.size(); ++i) EXPECT_GE(tops[i] - tops[i - 1], 512U);
  EXPECT_EQ(tops[0] % 16, 0U);
}

TEST_P(Monitor, FramesLieOnTheirStacks) {
  const VcpuArea area(ram_, 0);
  EXPECT_EQ(area.frame_address(14).raw(), area.rsp0().raw() - sizeof(StubFrame));
  EXPECT_EQ(area.frame_address(13), area.frame_address(14));
  EXPECT_NE(area.frame_address(8), area.frame_address(14));
  for (const unsigned v : {1U, 2U, 8U, 14U, 18U}) {
    EXPECT_TRUE(area.contains(area.frame_address(v)));
    area.frame(v).rip = 0x1000 + v;
    EXPECT_EQ(word_at(area.frame_address(v) + 2 * 8), 0x1000U + v);
  }
}

TEST_P(Monitor, VcpusShareNothing) {
  const VcpuArea first(ram_, 0);
  const VcpuArea last(ram_, kMaxVcpus - 1);
  last.build();
  EXPECT_FALSE(first.contains(last.gdt()));
  EXPECT_TRUE(walk(last.gdt()).last().rights.write);
  EXPECT_NE(first.rsp0(), last.rsp0());
  EXPECT_LT(Gpa(kFirstVcpuFrame + (kMaxVcpus - 1)), Gpa(kFirstScratchFrame));
}

INSTANTIATE_TEST_SUITE_P(Modes, Monitor, ::testing::ValuesIn(mmu::kPagingModes), [](const auto& mode) {
  return mode.param == mmu::PagingMode::kFiveLevel ? "FiveLevel" : "FourLevel";
});

}  // namespace
}  // namespace faultline::vmm::kvm
