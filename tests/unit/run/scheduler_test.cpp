#include "vmm/run/scheduler.hpp"

#include <sys/time.h>

#include "tests/unit/linux_abi/task_fixture.hpp"

namespace faultline::test {
namespace {

class SchedulerTest : public TaskTest {
 protected:
  static constexpr std::uint64_t kOut = kScratch + kPageSize;

  SchedulerTest() : scheduler(vcpu, *processes) {}
  abi::Task& fork_child() { return *processes->find(static_cast<int>(call(SYS_fork))); }
  // Whose turn it is at `now`; calls are its own from then on.
  abi::Task* turn(std::uint64_t now) {
    abi::Task* next = scheduler.next(now).value();
    if (next == nullptr) return nullptr;
    task = next;
    if (task->blocked()) task->retry_syscall();
    return task->blocked() ? nullptr : task;
  }
  std::uint64_t now() { return vmm::monotonic_ns(); }

  vmm::Scheduler scheduler;
};

TEST_F(SchedulerTest, WhoIsAloneGoesOn) {
  EXPECT_EQ(turn(1), task);
  EXPECT_EQ(turn(~0ULL / 2), task);
  EXPECT_EQ(scheduler.statistics().switches, 0u);
  EXPECT_EQ(scheduler.statistics().slices_over, 0u);
}

TEST_F(SchedulerTest, ASliceEndsAndTheOtherHasItsTurn) {
  abi::Task& parent = *task;
  abi::Task& child = fork_child();
  const std::uint64_t start = now();
  EXPECT_EQ(turn(start), &parent);
  EXPECT_EQ(turn(start + vmm::Scheduler::kSliceNs / 2), &parent);
  EXPECT_EQ(turn(start + vmm::Scheduler::kSliceNs), &child);
  EXPECT_EQ(turn(start + 2 * vmm::Scheduler::kSliceNs), &parent);
  EXPECT_EQ(scheduler.statistics().switches, 2u);
}

TEST_F(SchedulerTest, EachHasItsOwnRegistersBasesAndVectorState) {
  abi::Task& parent = *task;
  vcpu.fs = 0x1000;
  abi::Task& child = fork_child();
  const std::uint64_t start = now();
  ASSERT_EQ(turn(start), &parent);
  vcpu.fs = 0x2000;
  vcpu.gs = 0x3000;
  vcpu.xsave[160] = std::byte{42};
  vcpu.edit_regs()[vmm::UserRegs::kRbx] = 7;
  const Gpa root = vcpu.page_table;
  ASSERT_EQ(turn(start + vmm::Scheduler::kSliceNs), &child);
  EXPECT_EQ(vcpu.fs, 0x1000u);
  EXPECT_EQ(vcpu.gs, 0u);
  EXPECT_EQ(vcpu.xsave[160], std::byte{0});
  EXPECT_EQ(vcpu.regs()[vmm::UserRegs::kRax], 0u);
  EXPECT_NE(vcpu.regs()[vmm::UserRegs::kRbx], 7u);
  EXPECT_EQ(vcpu.page_table, Gpa(child.mm().tables().root()));
  ASSERT_EQ(turn(start + 2 * vmm::Scheduler::kSliceNs), &parent);
  EXPECT_EQ(vcpu.fs, 0x2000u);
  EXPECT_EQ(vcpu.gs, 0x3000u);
  EXPECT_EQ(vcpu.xsave[160], std::byte{42});
  EXPECT_EQ(vcpu.regs()[vmm::UserRegs::kRbx], 7u);
  EXPECT_NE(vcpu.page_table, root);
  EXPECT_EQ(scheduler.statistics().fpu_loads, 2u);
}

TEST_F(SchedulerTest, AReaderGoesOnWhenTheWriterWrote) {
  ASSERT_EQ(call(SYS_pipe, kOut), 0);
  const int r = get<int>(kOut), w = get<int>(kOut + 4);
  abi::Task& parent = *task;
  abi::Task& child = fork_child();
  ASSERT_EQ(once(SYS_read, r, kScratch, 1), -abi::kBlocked);
  ASSERT_EQ(turn(now()), &child);
  put<char>(kScratch, 'x');
  ASSERT_EQ(once(SYS_write, w, kScratch, 1), 1);
  ASSERT_EQ(once(SYS_pause), -abi::kBlocked);
  ASSERT_EQ(turn(now()), &parent);
  EXPECT_EQ(vcpu.regs()[vmm::UserRegs::kRax], 1u);
  EXPECT_EQ(get<char>(kScratch), 'x');
}

TEST_F(SchedulerTest, WhenAllWaitTheCallerHearsOfItAndTimePasses) {
  put(kScratch, timespec{0, 20'000'000});
  ASSERT_EQ(once(SYS_nanosleep, kScratch, 0), -abi::kBlocked);
  const std::uint64_t start = now();
  while (turn(now()) == nullptr) ASSERT_LT(now() - start, 10'000'000'000u);
  EXPECT_GE(now() - start, 15'000'000u);
  EXPECT_GE(scheduler.statistics().idle_ns, 15'000'000u);
  EXPECT_EQ(vcpu.regs()[vmm::UserRegs::kRax], 0u);
  ASSERT_EQ(once(SYS_pause), -abi::kBlocked);
  const std::uint64_t before = now();
  EXPECT_EQ(turn(before), nullptr);  // for ever, but no longer than the limits may wait
  EXPECT_GE(now() - before, vmm::Scheduler::kMaxWaitNs / 2);
}

TEST_F(SchedulerTest, AStoppedTaskHasNoTurn) {
  abi::Task& parent = *task;
  abi::Task& child = fork_child();
  abi::ProcessTable::stop(child, SIGSTOP);
  const std::uint64_t start = now();
  for (std::uint64_t n = 0; n < 4; ++n) EXPECT_EQ(turn(start + n * vmm::Scheduler::kSliceNs), &parent);
  EXPECT_FALSE(processes->all_stopped());
  abi::ProcessTable::stop(parent, SIGSTOP);
  EXPECT_TRUE(processes->all_stopped());
}

TEST_F(SchedulerTest, TimersOfSleepersAreKept) {
  put(kScratch, itimerval{{0, 0}, {0, 10'000}});
  ASSERT_EQ(call(SYS_setitimer, 0, kScratch, 0), 0);
  ASSERT_EQ(once(SYS_pause), -abi::kBlocked);
  const std::uint64_t start = now();
  while (turn(now()) == nullptr) ASSERT_LT(now() - start, 10'000'000'000u);
  EXPECT_TRUE(task->signals().pending.contains(SIGALRM));
}

}  // namespace
}  // namespace faultline::test
