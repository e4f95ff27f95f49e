#include "vmm/gdb/tracee.hpp"

#include "tests/unit/linux_abi/task_fixture.hpp"
#include "vmm/gdb/guest_memory.hpp"

namespace faultline::test {
namespace {

using namespace vmm::gdb;
using vmm::ExceptionEvent;
using vmm::PageFaultEvent;
using vmm::UserRegs;
using vmm::VcpuEvent;

constexpr std::uint64_t kTrapFlag = 0x100;
constexpr ExceptionEvent kTrap{.vector = 1}, kInt3{.vector = 3};

class TraceeTest : public TaskTest {
 protected:
  TraceeTest() : tracee(Tracee::create(vcpu, *processes).value()) { vcpu.edit_regs().rip = kScratch; }

  // Code at kScratch, its page in the page tables.
  void load(std::initializer_list<unsigned> code) {
    std::uint64_t at = kScratch;
    for (const unsigned byte : code) put(at++, static_cast<std::uint8_t>(byte));
  }
  std::byte at(std::uint64_t address) { return mapped_bytes(mm(), Gva(address))[0]; }
  mmu::Pte entry(std::uint64_t address) { return mm().tables().find(Gva(address)).load(); }
  void step() { tracee->go_on({}, {.step = true}); }

  std::unique_ptr<Tracee> tracee;
};

TEST_F(TraceeTest, BreakpointsAreThereOnlyWhileTheGuestRuns) {
  load({0x90, 0x90});
  tracee->breakpoints().add(Gva(kScratch + 1), BreakKind::kSoftware);
  tracee->breakpoints().add(Gva(kScratch + 5 * kPageSize), BreakKind::kSoftware);  // not in the page tables
  const auto frames = memory.frames.used_frames();
  tracee->arm();
  EXPECT_EQ(at(kScratch + 1), std::byte{0xcc});
  vcpu.edit_regs().rip = kScratch + 2;
  const auto ran = tracee->after_run(VcpuEvent{kInt3});
  EXPECT_TRUE(ran.own);
  ASSERT_TRUE(ran.stop);
  EXPECT_EQ(ran.stop->why, Stop::Why::kBreakpoint);
  EXPECT_EQ(vcpu.regs().rip, kScratch + 1);
  EXPECT_EQ(at(kScratch + 1), std::byte{0x90});
  EXPECT_EQ(memory.frames.used_frames(), frames);
}

TEST_F(TraceeTest, TheProgramsOwnInt3IsItsOwn) {
  load({0xcc, 0x90});
  tracee->breakpoints().add(Gva(kScratch + 1), BreakKind::kSoftware);
  tracee->arm();
  vcpu.edit_regs().rip = kScratch + 1;
  EXPECT_FALSE(tracee->after_run(VcpuEvent{kInt3}).own);
  EXPECT_EQ(vcpu.regs().rip, kScratch + 1);
  EXPECT_EQ(at(kScratch), std::byte{0xcc});
}

TEST_F(TraceeTest, WhatTheGuestWritesOverABreakpointStays) {
  load({0x90});
  tracee->breakpoints().add(Gva(kScratch), BreakKind::kSoftware);
  tracee->arm();
  mapped_bytes(mm(), Gva(kScratch))[0] = std::byte{0x55};
  tracee->after_run(VcpuEvent{vmm::InterruptedEvent{}});
  EXPECT_EQ(at(kScratch), std::byte{0x55});
}

TEST_F(TraceeTest, AStepLeavesNoTrapFlagBehind) {
  load({0x90});
  step();
  tracee->arm();
  EXPECT_NE(vcpu.regs().rflags & kTrapFlag, 0u);
  vcpu.edit_regs().rip = kScratch + 1;
  const auto ran = tracee->after_run(VcpuEvent{kTrap});
  EXPECT_TRUE(ran.own);
  EXPECT_EQ(ran.stop->why, Stop::Why::kStep);
  EXPECT_EQ(vcpu.regs().rflags & kTrapFlag, 0u);

  step();  // a fault on the way
  tracee->arm();
  const auto fault = tracee->after_run(VcpuEvent{PageFaultEvent{Gva(0x1000), mmu::ErrorCode(4)}});
  EXPECT_FALSE(fault.own);
  EXPECT_EQ(vcpu.regs().rflags & kTrapFlag, 0u);
  tracee->arm();  // and the step goes on
  EXPECT_NE(vcpu.regs().rflags & kTrapFlag, 0u);
  vcpu.edit_regs()[UserRegs::kR11] = vcpu.regs().rflags;
  tracee->after_run(VcpuEvent{vmm::SyscallEvent{}});
  EXPECT_EQ(vcpu.regs()[UserRegs::kR11] & kTrapFlag, 0u);
}

TEST_F(TraceeTest, PushedFlagsHaveNoTrapFlagAndLoadedOnesMayHave) {
  load({0x9c, 0x9d});
  step();
  tracee->arm();
  put(kScratch + 0x800, std::uint64_t{0x302});  // what PUSHF pushes
  vcpu.edit_regs()[UserRegs::kRsp] = kScratch + 0x800;
  vcpu.edit_regs().rip = kScratch + 1;
  tracee->after_run(VcpuEvent{kTrap});
  EXPECT_EQ(get<std::uint64_t>(kScratch + 0x800), 0x202u);

  step();
  tracee->arm();
  ++vcpu.edit_regs().rip;
  vcpu.edit_regs().rflags = 0x302;  // POPF set it
  tracee->after_run(VcpuEvent{kTrap});
  EXPECT_EQ(vcpu.regs().rflags, 0x302u);
}

TEST_F(TraceeTest, AProgramThatStepsItselfGetsItsTrap) {
  load({0x90});
  vcpu.edit_regs().rflags |= kTrapFlag;
  step();
  tracee->arm();
  EXPECT_FALSE(tracee->after_run(VcpuEvent{kTrap}).own);
  EXPECT_NE(vcpu.regs().rflags & kTrapFlag, 0u);
}

TEST_F(TraceeTest, ATrapBeforeTheInstructionIsNotAStep) {
  load({0x90});
  step();
  tracee->arm();
  const auto early = tracee->after_run(VcpuEvent{kTrap});
  EXPECT_TRUE(early.own);
  EXPECT_FALSE(early.stop);
  tracee->arm();  // an instruction that goes nowhere is a step the second time
  EXPECT_TRUE(tracee->after_run(VcpuEvent{kTrap}).stop);
}

TEST_F(TraceeTest, RangesAreSteppedThrough) {
  load({0x90, 0x90, 0x90});
  tracee->go_on({}, {.step = true, .range_start = Gva(kScratch), .range_end = Gva(kScratch + 2)});
  tracee->arm();
  vcpu.edit_regs().rip = kScratch + 1;
  EXPECT_FALSE(tracee->after_run(VcpuEvent{kTrap}).stop);
  tracee->arm();
  vcpu.edit_regs().rip = kScratch + 2;
  EXPECT_TRUE(tracee->after_run(VcpuEvent{kTrap}).stop);
}

TEST_F(TraceeTest, WatchedPagesLackTheRightOnlyWhileTheGuestRuns) {
  load({0x90});
  const std::uint64_t address = kScratch + 2 * kPageSize;
  put(address, std::uint64_t{1});
  const mmu::Pte before = entry(address);
  ASSERT_TRUE(tracee->watchpoints().add(mm(), {Gva(address), 8, WatchKind::kWrite}));
  tracee->arm();
  EXPECT_FALSE(entry(address).writable());
  const mmu::ErrorCode write(7);
  auto ran = tracee->after_run(VcpuEvent{PageFaultEvent{Gva(address + 0x100), write}});
  EXPECT_TRUE(ran.own);
  EXPECT_FALSE(ran.stop);
  EXPECT_EQ(entry(address), before);

  tracee->arm();  // one step past it
  EXPECT_TRUE(entry(address).writable());
  EXPECT_NE(vcpu.regs().rflags & kTrapFlag, 0u);
  ++vcpu.edit_regs().rip;
  ran = tracee->after_run(VcpuEvent{kTrap});
  EXPECT_TRUE(ran.own);
  EXPECT_FALSE(ran.stop);  // other bytes of the page

  tracee->arm();
  ran = tracee->after_run(VcpuEvent{PageFaultEvent{Gva(address), write}});
  tracee->arm();
  put(address, std::uint64_t{2});
  ++vcpu.edit_regs().rip;
  ran = tracee->after_run(VcpuEvent{kTrap});
  ASSERT_TRUE(ran.stop);
  EXPECT_EQ(ran.stop->why, Stop::Why::kWatchpoint);
  EXPECT_EQ(ran.stop->watch.address, Gva(address));
}

TEST_F(TraceeTest, ReadsAreToldByTheInstruction) {
  load({0x48, 0x8b, 0x03});  // mov rax, [rbx]
  const std::uint64_t address = kScratch + 2 * kPageSize;
  put(address, std::uint64_t{1});
  ASSERT_TRUE(tracee->watchpoints().add(mm(), {Gva(address), 4, WatchKind::kAccess}));
  for (const std::uint64_t offset : {0, 3, 4}) {
    vcpu.edit_regs()[UserRegs::kRbx] = address + offset;
    tracee->arm();
    EXPECT_FALSE(entry(address).user());
    EXPECT_TRUE(tracee->after_run(VcpuEvent{PageFaultEvent{Gva(address + offset), mmu::ErrorCode(5)}}).own);
    EXPECT_TRUE(entry(address).user());
    tracee->arm();
    vcpu.edit_regs().rip += 3;
    EXPECT_EQ(tracee->after_run(VcpuEvent{kTrap}).stop.has_value(), offset < 4) << offset;
    vcpu.edit_regs().rip -= 3;
  }
}

TEST_F(TraceeTest, AFaultOfTheProgramsOwnOnAWatchedPageGoesToTheKernel) {
  const std::uint64_t address = kScratch + 2 * kPageSize;  // not there yet
  ASSERT_TRUE(tracee->watchpoints().add(mm(), {Gva(address), 8, WatchKind::kAccess}));
  tracee->arm();
  EXPECT_FALSE(tracee->after_run(VcpuEvent{PageFaultEvent{Gva(address), mmu::ErrorCode(6)}}).own);
}

TEST_F(TraceeTest, SignalsStopUnlessTheyArePassed) {
  task->queue_signal(abi::SignalInfo::from_user(SIGTERM, SI_USER, 1, 1));
  auto stop = tracee->before_signals();
  ASSERT_TRUE(stop);
  EXPECT_EQ(stop->signal, SIGTERM);
  tracee->go_on(*stop, {});  // dropped
  EXPECT_FALSE(tracee->before_signals());
  EXPECT_TRUE(task->signals().pending.empty());

  task->queue_signal(abi::SignalInfo::from_user(SIGTERM, SI_USER, 1, 1));
  stop = tracee->before_signals();
  tracee->go_on(*stop, {.signal = SIGUSR1});  // another in its place
  EXPECT_FALSE(tracee->before_signals());
  EXPECT_EQ(task->signals().pending.size(), 1u);
  EXPECT_TRUE(task->signals().pending.contains(SIGUSR1));

  task->signals().pending.clear();
  tracee->set_passed(abi::SignalSet::of(SIGTERM));
  task->queue_signal(abi::SignalInfo::from_user(SIGTERM, SI_USER, 1, 1));
  EXPECT_FALSE(tracee->before_signals());
}

TEST_F(TraceeTest, TrapsOfTheDebuggersOwnAreNotPassedOn) {
  tracee->go_on({.why = Stop::Why::kBreakpoint}, {.signal = SIGTRAP});
  EXPECT_TRUE(task->signals().pending.empty());
  tracee->go_on({.why = Stop::Why::kBreakpoint}, {.signal = SIGTERM});
  EXPECT_TRUE(task->signals().pending.contains(SIGTERM));
}

TEST_F(TraceeTest, FilesThatNobodyTouchedArePeekedAt) {
  folder.write("file", std::string(5000, 'x'));
  const int fd = open(folder.path("file"), O_RDONLY);
  ASSERT_EQ(call(SYS_mmap, kScratch, 3 * kPageSize, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 0),
            static_cast<std::int64_t>(kScratch));
  const auto frames = memory.frames.used_frames();
  const auto resident = mm().rss.total();
  std::array<std::byte, 3 * kPageSize> bytes{};
  EXPECT_EQ(peek_memory(mm(), bytes, Gva(kScratch)), 2 * kPageSize);  // the third page is beyond the end
  EXPECT_EQ(bytes[4999], std::byte{'x'});
  EXPECT_EQ(bytes[5000], std::byte{0});
  EXPECT_EQ(memory.frames.used_frames(), frames);
  EXPECT_EQ(mm().rss.total(), resident);
}

}  // namespace
}  // namespace faultline::test
