// Process, limits, time, system, futex and poll.
#include <linux/futex.h>
#include <poll.h>
#include <sys/select.h>
#include <sys/utsname.h>

#include "tests/unit/linux_abi/task_fixture.hpp"
#include "vmm/linux_abi/trace.hpp"

namespace faultline::test {
namespace {

class Process : public TaskTest {
 protected:
  static constexpr std::uint64_t kOut = kScratch + kPageSize, kBad = kScratch + kScratchBytes;
};

TEST_F(Process, IdentityAndEnd) {
  EXPECT_EQ(call(SYS_getpid), kPid);
  EXPECT_EQ(call(SYS_gettid), kPid);
  EXPECT_EQ(call(SYS_set_tid_address, kOut), kPid);
  EXPECT_EQ(call(SYS_wait4, -1, 0, 0, 0), -ECHILD);
  call(SYS_exit_group, 0x1ff);
  ASSERT_TRUE(task->exit_status());
  EXPECT_EQ(task->exit_status()->code, 0xff);
  EXPECT_EQ(task->exit_status()->signal, 0);
}

TEST_F(Process, UnservedCallsAreCountedAndNamed) {
  EXPECT_EQ(call(SYS_socket), -ENOSYS);
  EXPECT_EQ(call(SYS_socket), -ENOSYS);
  EXPECT_EQ(call(99999), -ENOSYS);
  EXPECT_EQ(call(~0ULL), -ENOSYS);
  EXPECT_EQ(task->statistics().unserved.at(SYS_socket), 2u);
  EXPECT_EQ(task->statistics().unserved.at(99999), 1u);
  EXPECT_EQ(task->statistics().total, 4u);
}

TEST_F(Process, TheHookSeesEachCall) {
  std::vector<std::string> lines;
  task->set_syscall_hook(
      [&](const abi::Task& t, const abi::SyscallRecord& r) { lines.push_back(abi::format_syscall(t, r)); });
  open("/no/such\nfile", 0, 0);
  call(SYS_getpid);
  call(SYS_socket);
  EXPECT_EQ(lines, (std::vector<std::string>{
                       "open(\"/no/such\\12file\", 0, 00) = -1 ENOENT (No such file or directory)", "getpid() = 4242",
                       "socket(0, 0, 0, 0, 0, 0) = -1 ENOSYS (Function not implemented) [not served]"}));
}

TEST_F(Process, SegmentBases) {
  EXPECT_EQ(call(SYS_arch_prctl, 0x1002, 0x12345000), 0);
  EXPECT_EQ(vcpu.fs, 0x12345000u);
  EXPECT_EQ(call(SYS_arch_prctl, 0x1003, kOut), 0);
  EXPECT_EQ(get<std::uint64_t>(kOut), 0x12345000u);
  EXPECT_EQ(call(SYS_arch_prctl, 0x1002, 1ULL << 60), -EPERM);
  EXPECT_EQ(call(SYS_arch_prctl, 0x1002, 0x7ffffffff000), -EPERM);
  EXPECT_EQ(call(SYS_arch_prctl, 0x1003, kBad), -EFAULT);
  EXPECT_EQ(call(SYS_arch_prctl, 0x9999, 0), -EINVAL);
}

TEST_F(Process, NamesThreads) {
  EXPECT_EQ(call(SYS_prctl, 15, put_string("a name that is too long")), 0);
  EXPECT_EQ(call(SYS_prctl, 16, kOut), 0);
  EXPECT_EQ(get_bytes(kOut, 16), std::string("a name that is \0", 16));
  EXPECT_EQ(call(SYS_prctl, 15, kBad), -EFAULT);
  EXPECT_EQ(call(SYS_prctl, 9999), -EINVAL);
}

TEST_F(Process, RseqRegistersOnce) {
  EXPECT_EQ(call(SYS_rseq, kOut, 32, 0, 0x53053053), 0);
  EXPECT_EQ(get<std::uint32_t>(kOut + 4), 0u);
  EXPECT_EQ(call(SYS_rseq, kOut, 32, 0, 0x53053053), -EBUSY);
  EXPECT_EQ(call(SYS_rseq, kOut, 32, 0, 1), -EPERM);
  EXPECT_EQ(call(SYS_rseq, kOut, 32, 1, 0x53053053), 0);
  EXPECT_EQ(get<std::uint32_t>(kOut + 4), ~0U);
  EXPECT_EQ(call(SYS_rseq, kOut + 8, 32, 0, 0), -EINVAL);
  EXPECT_EQ(call(SYS_rseq, kOut, 16, 0, 0), -EINVAL);
  EXPECT_EQ(call(SYS_rseq, kBad, 32, 0, 0), -EFAULT);
}

TEST_F(Process, ASignalAbortsARestartableSequence) {
  constexpr std::uint64_t kStart = kRip - 10, kAbort = kScratch + 0x800;
  ASSERT_EQ(call(SYS_rseq, kOut, 32, 0, 0x53053053), 0);
  put(kScratch + 0x400, std::array<std::uint64_t, 4>{0, kStart, 20, kAbort});
  put<std::uint32_t>(kAbort - 4, 0x53053053);
  put<std::uint64_t>(kOut + 8, kScratch + 0x400);
  put(kScratch, abi::KernelSigaction{0x402000, abi::kSaRestorer, 0x403000, 0});
  ASSERT_EQ(call(SYS_rt_sigaction, 10, kScratch, 0, 8), 0);
  call(SYS_kill, kPid, 10);
  EXPECT_EQ(vcpu.regs().rip, 0x402000u);
  // The frame's rip, 8 + 40 + 16 words into the frame.
  EXPECT_EQ(get<std::uint64_t>(vcpu.regs()[vmm::UserRegs::kRsp] + 8 + 40 + 16 * 8), kAbort);
  EXPECT_EQ(get<std::uint64_t>(kOut + 8), 0u);
}

TEST_F(Process, LimitsAreKeptAndApplied) {
  put(kScratch, std::array<std::uint64_t, 2>{1 << 20, 4 << 20});
  EXPECT_EQ(call(SYS_prlimit64, 0, RLIMIT_STACK, kScratch, kOut), 0);
  EXPECT_EQ(mm().limits.stack, 1U << 20);
  EXPECT_EQ(get<std::uint64_t>(kOut), 8U << 20);
  EXPECT_EQ(call(SYS_getrlimit, RLIMIT_STACK, kOut), 0);
  EXPECT_EQ(get<std::uint64_t>(kOut), 1U << 20);
  put(kScratch, std::array<std::uint64_t, 2>{8 << 20, 4 << 20});
  EXPECT_EQ(call(SYS_setrlimit, RLIMIT_STACK, kScratch), -EINVAL);
  EXPECT_EQ(call(SYS_getrlimit, 16, kOut), -EINVAL);
  EXPECT_EQ(call(SYS_prlimit64, 1, RLIMIT_STACK, 0, 0), -ESRCH);
  EXPECT_EQ(call(SYS_prlimit64, 0, RLIMIT_STACK, kBad, 0), -EFAULT);
}

TEST_F(Process, UsageCountsTheGuestsFaults) {
  mm().counters.minor = 17;
  mm().counters.major = 3;
  ASSERT_EQ(call(SYS_getrusage, 0, kScratch), 0);
  EXPECT_EQ(get<rusage>(kScratch).ru_minflt, 17);
  EXPECT_EQ(get<rusage>(kScratch).ru_majflt, 3);
  EXPECT_EQ(call(SYS_getrusage, 5, kScratch), -EINVAL);
}

TEST_F(Process, ClocksAndSleeping) {
  EXPECT_EQ(call(SYS_clock_gettime, CLOCK_MONOTONIC, kOut), 0);
  const auto before = get<timespec>(kOut);
  put(kScratch, timespec{0, 120'000'000});  // longer than one slice
  EXPECT_EQ(call(SYS_nanosleep, kScratch, 0), 0);
  EXPECT_EQ(call(SYS_clock_gettime, CLOCK_MONOTONIC, kOut), 0);
  const auto after = get<timespec>(kOut);
  EXPECT_GE((after.tv_sec - before.tv_sec) * 1'000'000'000 + after.tv_nsec - before.tv_nsec, 120'000'000);
  EXPECT_EQ(task->statistics().counts.at(SYS_nanosleep), 1u);
  put(kScratch, timespec{0, 1'000'000'000});
  EXPECT_EQ(call(SYS_nanosleep, kScratch, 0), -EINVAL);
  put(kScratch, timespec{-1, 0});
  EXPECT_EQ(call(SYS_nanosleep, kScratch, 0), -EINVAL);
  EXPECT_EQ(call(SYS_nanosleep, kBad, 0), -EFAULT);
  EXPECT_EQ(call(SYS_clock_gettime, 77, kOut), -EINVAL);
  EXPECT_EQ(call(SYS_clock_gettime, CLOCK_REALTIME, kBad), -EFAULT);
  put(kScratch, timespec{1, 0});  // long ago
  EXPECT_EQ(call(SYS_clock_nanosleep, CLOCK_MONOTONIC, 1, kScratch, 0), 0);
}

TEST_F(Process, SystemInformation) {
  EXPECT_EQ(call(SYS_uname, kOut), 0);
  EXPECT_EQ(get_bytes(kOut, 6), std::string("Linux\0", 6));
  EXPECT_EQ(call(SYS_uname, kBad - 100), -EFAULT);
  EXPECT_EQ(call(SYS_sysinfo, kOut), 0);
  EXPECT_EQ(call(SYS_getrandom, kOut, 10'000, 0), 10'000);
  EXPECT_EQ(call(SYS_getrandom, kBad - 10, 100, 0), 10);
  EXPECT_EQ(call(SYS_getrandom, kBad, 100, 0), -EFAULT);
  EXPECT_EQ(call(SYS_getrandom, kOut, 1, 99), -EINVAL);
  EXPECT_EQ(call(SYS_sched_getaffinity, 0, 8, kOut), 8);
  EXPECT_EQ(get<std::uint64_t>(kOut), 1u);
  EXPECT_EQ(call(SYS_sched_getaffinity, 0, 4, kOut), -EINVAL);
}

TEST_F(Process, Futexes) {
  put<std::uint32_t>(kOut, 5);
  EXPECT_EQ(call(SYS_futex, kOut, FUTEX_WAIT, 4, 0), -EAGAIN);
  put(kScratch, timespec{0, 1'000'000});
  EXPECT_EQ(call(SYS_futex, kOut, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 5, kScratch), -ETIMEDOUT);
  EXPECT_EQ(call(SYS_futex, kOut, FUTEX_WAKE, 1), 0);
  EXPECT_EQ(call(SYS_futex, kOut + 1, FUTEX_WAKE, 1), -EINVAL);
  EXPECT_EQ(call(SYS_futex, kBad, FUTEX_WAIT, 5, 0), -EFAULT);
  EXPECT_EQ(call(SYS_futex, kOut, 127, 5, 0), -ENOSYS);
  EXPECT_EQ(once(SYS_futex, kOut, FUTEX_WAIT, 5, 0), -abi::kBlocked);  // for ever
  EXPECT_EQ(processes->wake_futex({&mm(), kOut}, 1, ~0U), 1u);
  ASSERT_TRUE(task->runnable());
  task->retry_syscall();
  EXPECT_EQ(vcpu.regs()[vmm::UserRegs::kRax], 0u);
}

TEST_F(Process, PollAndSelect) {
  ASSERT_EQ(call(SYS_pipe, kOut), 0);
  const int r = get<int>(kOut), w = get<int>(kOut + 4);
  put(kScratch, std::array<pollfd, 3>{pollfd{r, POLLIN, 0}, pollfd{w, POLLOUT, 0}, pollfd{99, POLLIN, 0}});
  EXPECT_EQ(call(SYS_poll, kScratch, 3, 0), 2);
  const auto fds = get<std::array<pollfd, 3>>(kScratch);
  EXPECT_EQ(fds[0].revents, 0);
  EXPECT_EQ(fds[1].revents, POLLOUT);
  EXPECT_EQ(fds[2].revents, POLLNVAL);
  EXPECT_EQ(call(SYS_poll, kScratch, 1, 120), 0);
  EXPECT_EQ(call(SYS_poll, kBad, 1, 0), -EFAULT);
  EXPECT_EQ(call(SYS_poll, kScratch, 1U << 30, 0), -EINVAL);
  put<std::uint64_t>(kScratch, 1ULL << w | 1ULL << r);
  put<std::uint64_t>(kScratch + 8, 1ULL << w);
  put(kScratch + 16, timeval{0, 0});
  EXPECT_EQ(call(SYS_select, 64, kScratch, kScratch + 8, 0, kScratch + 16), 1);
  EXPECT_EQ(get<std::uint64_t>(kScratch), 0u);
  EXPECT_EQ(get<std::uint64_t>(kScratch + 8), 1ULL << w);
  put<std::uint64_t>(kScratch, 1ULL << 40);
  EXPECT_EQ(call(SYS_select, 64, kScratch, 0, 0, kScratch + 16), -EBADF);
}

TEST_F(Process, MemoryCallsReachTheAddressSpace) {
  const std::int64_t at = call(SYS_mmap, 0, 3 * kPageSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  EXPECT_EQ(at, 0x7ffff7ff4000);
  EXPECT_EQ(call(SYS_mmap, 0, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), -EINVAL);
  EXPECT_EQ(call(SYS_mmap, 0, kPageSize, PROT_READ, MAP_PRIVATE, -1, 0), -EBADF);
  put<char>(static_cast<std::uint64_t>(at), 1);
  EXPECT_EQ(call(SYS_mincore, at, 3 * kPageSize, kOut), 0);
  EXPECT_EQ(get_bytes(kOut, 3), std::string("\1\0\0", 3));
  EXPECT_EQ(call(SYS_mincore, at, 3 * kPageSize, kBad), -EFAULT);
  EXPECT_EQ(call(SYS_mincore, at + 1, kPageSize, kOut), -EINVAL);
  EXPECT_EQ(call(SYS_mincore, at, ~0ULL, kOut), -ENOMEM);
  EXPECT_EQ(call(SYS_munmap, at, kPageSize), 0);
  EXPECT_EQ(call(SYS_munmap, at + 1, kPageSize), -EINVAL);
  EXPECT_EQ(call(SYS_mlock2, at, kPageSize, 8), -EINVAL);
}

}  // namespace
}  // namespace faultline::test
