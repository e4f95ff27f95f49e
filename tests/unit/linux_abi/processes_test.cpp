// Several tasks on a vCPU that runs nothing: what fork, wait, signals and groups make of the table.
#include <fcntl.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "mmu/space/checker.hpp"
#include "tests/unit/linux_abi/task_fixture.hpp"

namespace faultline::test {
namespace {

class Processes : public TaskTest {
 protected:
  static constexpr std::uint64_t kOut = kScratch + kPageSize, kBad = kScratch + kScratchBytes;

  // The child of a fork by the task whose turn it is.
  abi::Task& fork_child() {
    const std::int64_t pid = call(SYS_fork);
    EXPECT_GT(pid, 0);
    abi::Task* child = processes->find(static_cast<int>(pid));
    EXPECT_NE(child, nullptr);
    return *child;
  }
  // From here on calls are made by this one.
  void turn(abi::Task& to) {
    task->context().regs = vcpu.regs();
    vcpu.edit_regs() = to.context().regs;
    task = &to;
  }
  void end(abi::Task& which, abi::ExitStatus status) {
    which.terminate(status);
    processes->bury(which);
  }
  int status() { return get<int>(kOut); }
  void expect_intact() {
    const auto broken = mmu::check_invariants(memory.env, processes->address_spaces());
    EXPECT_FALSE(broken) << *broken;
  }
};

TEST_F(Processes, AForkedChildHasACopyOfTheMemory) {
  put<int>(kScratch, 1);
  abi::Task& parent = *task;
  abi::Task& child = fork_child();
  EXPECT_EQ(child.context().regs[vmm::UserRegs::kRax], 0u);
  EXPECT_EQ(child.context().regs.rip, vcpu.regs().rip);
  put<int>(kScratch, 2);
  turn(child);
  EXPECT_EQ(get<int>(kScratch), 1);
  EXPECT_EQ(call(SYS_getppid), kPid);
  EXPECT_EQ(call(SYS_getpgrp), parent.kin.group);
  expect_intact();
}

TEST_F(Processes, TheThousandthForkLeavesNoFrameBehind) {
  for (int i = 0; i < 16; ++i) put<int>(kScratch + static_cast<std::uint64_t>(i) * kPageSize, i);
  const std::uint64_t before = memory.frames.used_frames();
  for (int i = 0; i < 1000; ++i) {
    abi::Task& child = fork_child();
    abi::Task& parent = *task;
    turn(child);
    put<int>(kScratch, -1);
    turn(parent);
    end(child, {.code = i & 0xff});
    ASSERT_EQ(call(SYS_wait4, -1, kOut, 0, 0), child.pid());
  }
  EXPECT_EQ(memory.frames.used_frames(), before);
  EXPECT_EQ(processes->all().size(), 1u);
  expect_intact();
}

TEST_F(Processes, WaitTellsHowAChildEnded) {
  abi::Task& exited = fork_child();
  abi::Task& killed = fork_child();
  const int first = exited.pid(), second = killed.pid();
  EXPECT_EQ(call(SYS_wait4, -1, kOut, WNOHANG, 0), 0);
  end(exited, {.code = 3});
  end(killed, {.signal = SIGTERM});
  EXPECT_EQ(call(SYS_wait4, second, kOut, 0, 0), second);
  EXPECT_TRUE(WIFSIGNALED(status()) && WTERMSIG(status()) == SIGTERM);
  EXPECT_EQ(call(SYS_wait4, -1, kOut, 0, 0), first);
  EXPECT_TRUE(WIFEXITED(status()) && WEXITSTATUS(status()) == 3);
  EXPECT_EQ(call(SYS_wait4, -1, kOut, 0, 0), -ECHILD);
  EXPECT_EQ(call(SYS_wait4, -1, kOut, 0x100, 0), -EINVAL);
  EXPECT_EQ(call(SYS_wait4, INT_MIN, kOut, 0, 0), -ESRCH);
}

TEST_F(Processes, WaitBlocksUntilThereIsNews) {
  abi::Task& child = fork_child();
  EXPECT_EQ(once(SYS_wait4, -1, kOut, 0, 0), -abi::kBlocked);
  EXPECT_FALSE(task->runnable());
  end(child, {.code = 9});
  ASSERT_TRUE(task->runnable());
  task->retry_syscall();
  EXPECT_FALSE(task->blocked());
  EXPECT_EQ(status(), 9 << 8);
}

TEST_F(Processes, ABadStatusAddressStillTakesTheChild) {
  end(fork_child(), {});
  EXPECT_EQ(call(SYS_wait4, -1, kBad, 0, 0), -EFAULT);
  EXPECT_EQ(call(SYS_wait4, -1, kOut, 0, 0), -ECHILD);
}

TEST_F(Processes, StopsAndContinuationsAreNewsOnce) {
  abi::Task& child = fork_child();
  abi::Task& parent = *task;
  const int pid = child.pid();
  ASSERT_EQ(call(SYS_kill, pid, SIGSTOP), 0);
  turn(child);
  task->deliver_signals();
  EXPECT_TRUE(child.stopped());
  EXPECT_FALSE(child.runnable());
  turn(parent);
  EXPECT_EQ(call(SYS_wait4, -1, kOut, WNOHANG, 0), 0);
  EXPECT_EQ(call(SYS_wait4, -1, kOut, WUNTRACED, 0), pid);
  EXPECT_TRUE(WIFSTOPPED(status()) && WSTOPSIG(status()) == SIGSTOP);
  EXPECT_EQ(call(SYS_wait4, -1, kOut, WUNTRACED | WNOHANG, 0), 0);
  ASSERT_EQ(call(SYS_kill, pid, SIGCONT), 0);
  EXPECT_TRUE(child.runnable());
  EXPECT_EQ(call(SYS_wait4, -1, kOut, WCONTINUED, 0), pid);
  EXPECT_TRUE(WIFCONTINUED(status()));
  // What is stopped dies of SIGKILL all the same.
  processes->stop(child, SIGTSTP);
  ASSERT_EQ(call(SYS_kill, pid, SIGKILL), 0);
  EXPECT_TRUE(child.runnable());
}

TEST_F(Processes, AnIgnoredSigchldLeavesNoZombies) {
  put(kScratch, abi::KernelSigaction{1, 0, 0, 0});
  ASSERT_EQ(call(SYS_rt_sigaction, SIGCHLD, kScratch, 0, 8), 0);
  abi::Task& child = fork_child();
  ASSERT_EQ(once(SYS_wait4, -1, kOut, 0, 0), -abi::kBlocked);
  end(child, {});
  EXPECT_EQ(processes->all().size(), 1u);
  task->retry_syscall();
  task->deliver_signals();
  EXPECT_EQ(static_cast<std::int64_t>(vcpu.regs()[vmm::UserRegs::kRax]), -ECHILD);
}

TEST_F(Processes, OrphansBelongToNobodyAndAreWaitedForAtOnce) {
  abi::Task& parent = *task;
  abi::Task& middle = fork_child();
  turn(middle);
  abi::Task& grandchild = fork_child();
  const int pid = grandchild.pid();
  abi::Task& zombie = fork_child();
  end(zombie, {});
  EXPECT_EQ(processes->all().size(), 4u);
  turn(parent);
  end(middle, {});
  EXPECT_EQ(processes->all().size(), 3u);  // the zombie went with its parent
  EXPECT_EQ(grandchild.parent_pid(), 1);
  end(grandchild, {});
  EXPECT_EQ(processes->find(pid), nullptr);
}

TEST_F(Processes, AVforkParentWaitsForItsChild) {
  abi::Task& parent = *task;
  EXPECT_EQ(once(SYS_vfork), -abi::kBlocked);
  abi::Task& child = *processes->all().rbegin()->second;
  EXPECT_EQ(&child.mm(), &parent.mm());
  parent.queue_signal(abi::SignalInfo::from_user(SIGTERM, SI_USER, 1, 0));  // not even a signal ends it
  parent.retry_syscall();
  EXPECT_TRUE(parent.blocked());
  const int pid = child.pid();
  end(child, {});
  ASSERT_TRUE(parent.runnable());
  parent.retry_syscall();
  EXPECT_FALSE(parent.blocked());
  EXPECT_EQ(vcpu.regs()[vmm::UserRegs::kRax], static_cast<std::uint64_t>(pid));
  expect_intact();
}

TEST_F(Processes, AVforkParentCanBeKilledWhileItWaits) {
  abi::Task& first = *task;
  abi::Task& parent = fork_child();
  turn(parent);
  ASSERT_EQ(once(SYS_vfork), -abi::kBlocked);
  abi::Task& child = *processes->all().rbegin()->second;
  parent.queue_signal(abi::SignalInfo::from_user(SIGKILL, SI_USER, 1, 0));
  parent.retry_syscall();
  ASSERT_FALSE(parent.blocked());
  parent.deliver_signals();
  ASSERT_TRUE(parent.exit_status());
  turn(child);
  processes->bury(parent);
  EXPECT_EQ(child.kin.vfork_parent, nullptr);
  put<int>(kScratch, 1);  // the memory is the child's alone now
  turn(first);
  end(child, {});
  expect_intact();
}

TEST_F(Processes, WhatIsNotServedIsRefusedAndMakesNothing) {
  EXPECT_EQ(call(SYS_clone, CLONE_VM | SIGCHLD, 0, 0, 0, 0), -ENOSYS);
  EXPECT_EQ(call(SYS_clone, CLONE_VM | CLONE_SIGHAND | CLONE_THREAD, 0, 0, 0, 0), -ENOSYS);
  EXPECT_EQ(call(SYS_clone, CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0), -ENOSYS);
  EXPECT_EQ(call(SYS_clone, CLONE_SIGHAND | SIGCHLD, 0, 0, 0, 0), -EINVAL);
  EXPECT_EQ(call(SYS_clone, CLONE_THREAD | SIGCHLD, 0, 0, 0, 0), -EINVAL);
  EXPECT_EQ(call(SYS_clone3, kScratch, 63), -EINVAL);
  EXPECT_EQ(call(SYS_clone3, kScratch, 4097), -E2BIG);
  EXPECT_EQ(call(SYS_clone3, kBad, 88), -EFAULT);
  EXPECT_EQ(processes->all().size(), 1u);
}

TEST_F(Processes, CloneTellsTheNumberWhereItIsAsked) {
  put<int>(kOut, 0);
  const auto pid = call(SYS_clone, CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | SIGCHLD, 0, kOut, kOut + 8, 0);
  ASSERT_GT(pid, 0);
  EXPECT_EQ(get<int>(kOut), pid);
  EXPECT_EQ(get<int>(kOut + 8), 0);  // the parent's own memory has it not
  turn(*processes->find(static_cast<int>(pid)));
  EXPECT_EQ(get<int>(kOut + 8), pid);
}

TEST_F(Processes, TheTableHasALimit) {
  for (std::size_t i = 1; i < kMaxProcesses; ++i) fork_child();
  EXPECT_EQ(call(SYS_fork), -EAGAIN);
  end(*processes->all().rbegin()->second, {});
  EXPECT_EQ(call(SYS_fork), -EAGAIN);  // a zombie still counts
  EXPECT_GT(call(SYS_wait4, -1, kOut, 0, 0), 0);
  EXPECT_GT(call(SYS_fork), 0);
  expect_intact();
}

TEST_F(Processes, ShortMemoryMakesForkFailAndLeavesNothing) {
  for (int i = 0; i < 16; ++i) put<int>(kScratch + static_cast<std::uint64_t>(i) * kPageSize, i);
  for (std::uint64_t nth = 1;; ++nth) {
    const std::uint64_t before = memory.frames.used_frames();
    memory.frames.fail_nth(nth);
    const std::int64_t result = call(SYS_fork);
    memory.frames.fail_nth(0);
    if (result > 0) break;
    ASSERT_EQ(result, -ENOMEM);
    EXPECT_EQ(memory.frames.used_frames(), before);
    EXPECT_EQ(processes->all().size(), 1u);
    expect_intact();
    ASSERT_LT(nth, 100u);
  }
}

TEST_F(Processes, SignalsGoToProcessesGroupsAndAll) {
  abi::Task& parent = *task;
  abi::Task& a = fork_child();
  abi::Task& b = fork_child();
  EXPECT_EQ(call(SYS_setpgid, a.pid(), 0), 0);
  EXPECT_EQ(call(SYS_setpgid, b.pid(), a.pid()), 0);
  EXPECT_EQ(call(SYS_kill, -a.pid(), SIGUSR1), 0);
  EXPECT_TRUE(a.signal_pending() && b.signal_pending() && !parent.signal_pending());
  EXPECT_EQ(a.signals().pending.at(SIGUSR1).info.si_pid, kPid);
  EXPECT_EQ(call(SYS_kill, -1, SIGUSR2), 0);
  EXPECT_TRUE(a.signals().pending.contains(SIGUSR2) && b.signals().pending.contains(SIGUSR2));
  EXPECT_FALSE(parent.signal_pending());  // all but the sender
  EXPECT_EQ(call(SYS_kill, -4711, SIGUSR1), -ESRCH);
  siginfo_t forged{};
  forged.si_code = SI_USER;
  put(kScratch, forged);
  EXPECT_EQ(call(SYS_rt_sigqueueinfo, a.pid(), SIGUSR1, kScratch), -EPERM);
}

TEST_F(Processes, GroupsAndSessionsHaveTheirRules) {
  abi::Task& parent = *task;
  abi::Task& child = fork_child();
  EXPECT_EQ(call(SYS_setpgid, child.pid(), 99), -EPERM);
  EXPECT_EQ(call(SYS_setpgid, 1, 0), -ESRCH);
  EXPECT_EQ(call(SYS_setpgid, 0, -1), -EINVAL);
  child.kin.executed = true;
  EXPECT_EQ(call(SYS_setpgid, child.pid(), 0), -EACCES);
  turn(child);
  EXPECT_EQ(call(SYS_setsid), child.pid());
  EXPECT_EQ(call(SYS_setsid), -EPERM);
  EXPECT_EQ(call(SYS_setpgid, 0, 0), -EPERM);
  turn(parent);
  EXPECT_EQ(call(SYS_getsid, child.pid()), child.pid());
  EXPECT_EQ(call(SYS_getpgid, 99), -ESRCH);
}

TEST_F(Processes, TheEndOfAWriterIsTheEndOfThePipe) {
  ASSERT_EQ(call(SYS_pipe, kOut), 0);
  const int r = get<int>(kOut), w = get<int>(kOut + 4);
  abi::Task& child = fork_child();
  ASSERT_EQ(call(SYS_close, w), 0);
  ASSERT_EQ(once(SYS_read, r, kScratch, 1), -abi::kBlocked);
  end(child, {});
  EXPECT_EQ(call(SYS_read, r, kScratch, 1), 0);
}

TEST_F(Processes, RecordLocksExcludeTheOther) {
  const int fd = open(folder.path() + "/locked", O_CREAT | O_RDWR);
  ASSERT_GE(fd, 0);
  abi::Task& parent = *task;
  abi::Task& child = fork_child();
  put(kScratch, flock{.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 10, .l_pid = 0});
  ASSERT_EQ(call(SYS_fcntl, fd, F_SETLK, kScratch), 0);
  turn(child);
  put(kScratch, flock{.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 5, .l_len = 10, .l_pid = 0});
  EXPECT_EQ(call(SYS_fcntl, fd, F_SETLK, kScratch), -EAGAIN);
  EXPECT_EQ(once(SYS_fcntl, fd, F_SETLKW, kScratch), -abi::kBlocked);
  turn(parent);
  ASSERT_EQ(call(SYS_close, fd), 0);  // ends the lock
  EXPECT_TRUE(child.runnable());
  turn(child);
  child.retry_syscall();
  EXPECT_FALSE(child.blocked());
  EXPECT_EQ(vcpu.regs()[vmm::UserRegs::kRax], 0u);
}

TEST_F(Processes, TimersSendTheirSignal) {
  EXPECT_EQ(call(SYS_alarm, 5), 0);
  EXPECT_EQ(call(SYS_alarm, 7), 5);
  EXPECT_TRUE(processes->timers_set);
  processes->expire_timers(task->real_timer.due_ns - 1);
  EXPECT_FALSE(task->signal_pending());
  processes->expire_timers(task->real_timer.due_ns);
  EXPECT_TRUE(task->signals().pending.contains(SIGALRM));
  EXPECT_FALSE(processes->timers_set);
  put(kScratch, itimerval{{0, 1'000'000}, {1, 0}});
  EXPECT_EQ(call(SYS_setitimer, ITIMER_REAL, kScratch, 0), -EINVAL);
  EXPECT_EQ(call(SYS_setitimer, ITIMER_PROF, 0, 0), -EINVAL);
  EXPECT_EQ(call(SYS_getitimer, ITIMER_REAL, kBad), -EFAULT);
}

}  // namespace
}  // namespace faultline::test
