// Generation, delivery and restart: vmm/linux_abi/signals.cpp, sys_signal.cpp, task.cpp.
#include <csignal>

#include "tests/unit/linux_abi/task_fixture.hpp"
#include "vmm/linux_abi/signal_frame.hpp"

namespace faultline::test {
namespace {

using vmm::UserRegs;

class Signals : public TaskTest {
 protected:
  static constexpr std::uint64_t kHandler = 0x402000, kRestorer = 0x403000, kArea = kScratch;

  std::int64_t sigaction(int signo, std::uint64_t handler, std::uint64_t flags = 0, std::uint64_t mask = 0) {
    put(kArea, abi::KernelSigaction{handler, flags | abi::kSaRestorer, kRestorer, mask});
    return call(SYS_rt_sigaction, signo, kArea, 0, 8);
  }
  std::int64_t block(int signo) {
    put(kArea, abi::SignalSet::of(signo).raw());
    return call(SYS_rt_sigprocmask, SIG_BLOCK, kArea, 0, 8);
  }
  static abi::SignalInfo segv() { return abi::SignalInfo::fault(SIGSEGV, SEGV_ACCERR, 0x5000, {14, 7, 0x5000}); }
  void fault() {
    task->force_signal(segv());
    task->deliver_signals();
  }
  abi::RtSigframe frame() { return get<abi::RtSigframe>(vcpu.regs()[UserRegs::kRsp]); }
  int killed_by() { return task->exit_status() ? task->exit_status()->signal : 0; }
};

TEST_F(Signals, AFaultWithoutAHandlerKills) {
  fault();
  EXPECT_EQ(killed_by(), SIGSEGV);
  EXPECT_EQ(task->exit_status()->shell_status(), 139);
}

TEST_F(Signals, AFaultReachesItsHandlerWithTheTrap) {
  ASSERT_EQ(sigaction(SIGSEGV, kHandler, SA_SIGINFO), 0);
  fault();
  EXPECT_EQ(killed_by(), 0);
  EXPECT_EQ(vcpu.regs().rip, kHandler);
  EXPECT_EQ(frame().info.si_code, SEGV_ACCERR);
  EXPECT_EQ(frame().uc.mcontext.err, 7u);
  EXPECT_EQ(frame().uc.mcontext.trapno, 14u);
  EXPECT_EQ(frame().uc.mcontext.cr2, 0x5000u);
  EXPECT_EQ(frame().uc.stack.flags, 0);  // seen natively: no SS_DISABLE before the first sigaltstack
  EXPECT_TRUE(task->signals().blocked.has(SIGSEGV));
}

TEST_F(Signals, AGeneralProtectionFaultLeavesCr2Stale) {
  ASSERT_EQ(sigaction(SIGSEGV, kHandler, SA_SIGINFO | SA_NODEFER), 0);
  fault();
  task->on_exception({.vector = 13, .error_code = 0});
  task->deliver_signals();
  EXPECT_EQ(frame().info.si_code, SI_KERNEL);
  EXPECT_EQ(frame().info.si_addr, nullptr);
  EXPECT_EQ(frame().uc.mcontext.trapno, 13u);
  EXPECT_EQ(frame().uc.mcontext.err, 0u);
  EXPECT_EQ(frame().uc.mcontext.cr2, 0x5000u);
}

TEST_F(Signals, AFaultThatIsBlockedOrIgnoredKills) {
  ASSERT_EQ(sigaction(SIGSEGV, kHandler), 0);
  ASSERT_EQ(block(SIGSEGV), 0);
  fault();
  EXPECT_EQ(killed_by(), SIGSEGV);
  start({});
  ASSERT_EQ(sigaction(SIGSEGV, 1), 0);  // SIG_IGN
  fault();
  EXPECT_EQ(killed_by(), SIGSEGV);
}

TEST_F(Signals, AFrameThatCannotBeWrittenKills) {
  ASSERT_EQ(sigaction(SIGSEGV, kHandler), 0);
  vcpu.edit_regs()[UserRegs::kRsp] = 0x1000;
  fault();
  EXPECT_EQ(killed_by(), SIGSEGV);
  // The same for another signal, whose SIGSEGV has a handler with no better stack.
  start({});
  ASSERT_EQ(sigaction(SIGSEGV, kHandler), 0);
  ASSERT_EQ(sigaction(SIGUSR1, kHandler), 0);
  vcpu.edit_regs()[UserRegs::kRsp] = 0x1000;
  task->queue_signal(abi::SignalInfo::from_user(SIGUSR1, SI_USER, kPid, 0));
  task->deliver_signals();
  EXPECT_EQ(killed_by(), SIGSEGV);
}

TEST_F(Signals, TheAlternateStackSavesAHandlerFromABadOne) {
  put(kArea, abi::KernelStack{kScratch + kPageSize, 0, 0, 8 * kPageSize});
  ASSERT_EQ(call(SYS_sigaltstack, kArea, 0), 0);
  ASSERT_EQ(sigaction(SIGSEGV, kHandler, SA_ONSTACK | SA_SIGINFO), 0);
  vcpu.edit_regs()[UserRegs::kRsp] = 0x1000;
  fault();
  EXPECT_EQ(killed_by(), 0);
  EXPECT_EQ(vcpu.regs().rip, kHandler);
  EXPECT_GT(vcpu.regs()[UserRegs::kRsp], kScratch + kPageSize);
}

TEST_F(Signals, SigreturnGoesBackWhereItWas) {
  ASSERT_EQ(sigaction(SIGUSR1, kHandler, SA_SIGINFO, abi::SignalSet::of(SIGUSR2).raw()), 0);
  EXPECT_EQ(call(SYS_kill, kPid, SIGUSR1), SIGUSR1 - SIGUSR1);  // the handler's rax is 0
  ASSERT_EQ(vcpu.regs().rip, kHandler);
  EXPECT_EQ(frame().info.si_code, SI_USER);
  EXPECT_EQ(frame().info.si_pid, kPid);
  EXPECT_TRUE(task->signals().blocked.has(SIGUSR1) && task->signals().blocked.has(SIGUSR2));
  vcpu.edit_regs()[UserRegs::kRsp] += 8;
  vcpu.edit_regs()[UserRegs::kRax] = SYS_rt_sigreturn;
  task->on_syscall();
  task->deliver_signals();
  EXPECT_EQ(vcpu.regs().rip, kRip);
  EXPECT_EQ(vcpu.regs()[UserRegs::kRax], 0u);  // kill's result
  EXPECT_TRUE(task->signals().blocked.empty());
}

TEST_F(Signals, SigreturnFromNowhereIsASegfault) {
  vcpu.edit_regs()[UserRegs::kRsp] = 0x3000;
  call(SYS_rt_sigreturn);
  EXPECT_EQ(killed_by(), SIGSEGV);
}

TEST_F(Signals, ResethandRunsOnce) {
  ASSERT_EQ(sigaction(SIGUSR1, kHandler, SA_RESETHAND | SA_NODEFER), 0);
  call(SYS_tgkill, kPid, kPid, SIGUSR1);
  EXPECT_EQ(vcpu.regs().rip, kHandler);
  EXPECT_FALSE(task->signals().blocked.has(SIGUSR1));
  call(SYS_tkill, kPid, SIGUSR1);
  EXPECT_EQ(killed_by(), SIGUSR1);
}

TEST_F(Signals, BlockedSignalsWait) {
  ASSERT_EQ(sigaction(SIGUSR1, kHandler), 0);
  ASSERT_EQ(block(SIGUSR1), 0);
  EXPECT_EQ(call(SYS_kill, kPid, SIGUSR1), 0);
  EXPECT_EQ(vcpu.regs().rip, kRip);
  ASSERT_EQ(call(SYS_rt_sigpending, kArea, 8), 0);
  EXPECT_EQ(get<std::uint64_t>(kArea), abi::SignalSet::of(SIGUSR1).raw());
  put<std::uint64_t>(kArea, 0);
  EXPECT_EQ(once(SYS_rt_sigprocmask, SIG_SETMASK, kArea, 0, 8), 0);
  EXPECT_EQ(vcpu.regs().rip, kHandler);
}

TEST_F(Signals, SigkillCannotBeCaughtOrBlocked) {
  EXPECT_EQ(sigaction(SIGKILL, kHandler), -EINVAL);
  EXPECT_EQ(sigaction(SIGSTOP, 1), -EINVAL);
  EXPECT_EQ(block(SIGKILL), 0);
  EXPECT_TRUE(task->signals().blocked.empty());
  call(SYS_kill, kPid, SIGKILL);
  EXPECT_EQ(killed_by(), SIGKILL);
}

TEST_F(Signals, IgnoredByDefaultVanish) {
  EXPECT_EQ(call(SYS_kill, kPid, SIGCHLD), 0);
  EXPECT_EQ(call(SYS_kill, kPid, SIGWINCH), 0);
  EXPECT_EQ(killed_by(), 0);
}

TEST_F(Signals, OnlyTheGuestItselfCanBeSignalled) {
  EXPECT_EQ(call(SYS_kill, 1, SIGKILL), -ESRCH);
  EXPECT_EQ(call(SYS_kill, kPid, 0), 0);
  EXPECT_EQ(call(SYS_kill, kPid, 65), -EINVAL);
  EXPECT_EQ(call(SYS_tgkill, kPid, 1, SIGKILL), -ESRCH);
  EXPECT_EQ(call(SYS_tgkill, 0, kPid, SIGKILL), -EINVAL);
}

TEST_F(Signals, SigsuspendRunsTheHandlerAndRestoresTheMask) {
  ASSERT_EQ(sigaction(SIGUSR1, kHandler), 0);
  ASSERT_EQ(block(SIGUSR1), 0);
  call(SYS_kill, kPid, SIGUSR1);
  put<std::uint64_t>(kArea, 0);
  once(SYS_rt_sigsuspend, kArea, 8);
  EXPECT_EQ(vcpu.regs().rip, kHandler);
  EXPECT_EQ(frame().uc.sigmask, abi::SignalSet::of(SIGUSR1).raw());
  EXPECT_EQ(frame().uc.mcontext.rax, static_cast<std::uint64_t>(-EINTR));
}

TEST_F(Signals, SigtimedwaitTakesWhatIsPendingOrTimesOut) {
  ASSERT_EQ(block(SIGUSR1), 0);
  call(SYS_kill, kPid, SIGUSR1);
  put<std::uint64_t>(kArea, abi::SignalSet::of(SIGUSR1).raw());
  EXPECT_EQ(call(SYS_rt_sigtimedwait, kArea, kArea + 64, 0, 8), SIGUSR1);
  EXPECT_EQ(get<siginfo_t>(kArea + 64).si_signo, SIGUSR1);
  put(kArea + 512, timespec{0, 1000});
  EXPECT_EQ(call(SYS_rt_sigtimedwait, kArea, 0, kArea + 512, 8), -EAGAIN);
}

TEST_F(Signals, PauseBlocksUntilASignalIsHandled) {
  ASSERT_EQ(sigaction(SIGUSR1, kHandler), 0);
  EXPECT_EQ(once(SYS_pause), -abi::kBlocked);
  EXPECT_FALSE(task->runnable());
  task->queue_signal(abi::SignalInfo::from_user(SIGUSR1, SI_USER, 1, 0));
  ASSERT_TRUE(task->runnable());
  task->retry_syscall();
  ASSERT_FALSE(task->blocked());
  task->deliver_signals();
  EXPECT_EQ(vcpu.regs().rip, kHandler);
  EXPECT_EQ(frame().uc.mcontext.rax, static_cast<std::uint64_t>(-EINTR));
  EXPECT_EQ(task->statistics().counts.at(SYS_pause), 1u);  // one call, however often it is made
}

TEST_F(Signals, SigaltstackChecksAndTells) {
  put(kArea, abi::KernelStack{kScratch + kPageSize, 0, 0, 100});
  EXPECT_EQ(call(SYS_sigaltstack, kArea, 0), -ENOMEM);
  put(kArea, abi::KernelStack{kScratch + kPageSize, 99, 0, kPageSize});
  EXPECT_EQ(call(SYS_sigaltstack, kArea, 0), -EINVAL);
  EXPECT_EQ(call(SYS_sigaltstack, 0, kArea), 0);
  EXPECT_EQ(get<abi::KernelStack>(kArea).flags, SS_DISABLE);
  // In use: cannot be changed.
  put(kArea, abi::KernelStack{kScratch + 8 * kPageSize, 0, 0, 8 * kPageSize});
  EXPECT_EQ(call(SYS_sigaltstack, kArea, 0), 0);
  EXPECT_EQ(call(SYS_sigaltstack, kArea, 0), -EPERM);
  EXPECT_EQ(call(SYS_sigaltstack, 0xdead000, 0), -EFAULT);
}

TEST_F(Signals, BadArguments) {
  EXPECT_EQ(call(SYS_rt_sigaction, SIGUSR1, 0, 0, 4), -EINVAL);
  EXPECT_EQ(call(SYS_rt_sigaction, 0, 0, 0, 8), -EINVAL);
  EXPECT_EQ(call(SYS_rt_sigaction, 65, 0, 0, 8), -EINVAL);
  EXPECT_EQ(call(SYS_rt_sigaction, SIGUSR1, 0xdead000, 0, 8), -EFAULT);
  EXPECT_EQ(call(SYS_rt_sigaction, SIGUSR1, 0, 0xdead000, 8), -EFAULT);
  EXPECT_EQ(call(SYS_rt_sigprocmask, 77, kArea, 0, 8), -EINVAL);
  EXPECT_EQ(call(SYS_rt_sigprocmask, SIG_BLOCK, 0xdead000, 0, 8), -EFAULT);
}

}  // namespace
}  // namespace faultline::test
