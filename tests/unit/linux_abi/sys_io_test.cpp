// read, write and company: counts, EFAULT, hostile vectors. Also stream.cpp and user_io.cpp.
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <csignal>
#include <functional>

#include "tests/unit/linux_abi/task_fixture.hpp"

namespace faultline::test {
namespace {

class Io : public TaskTest {
 protected:
  static constexpr std::uint64_t kBuffer = kScratch, kBad = kScratch + kScratchBytes;
  static std::string pattern(std::size_t n) {
    std::string s(n, 0);
    for (std::size_t i = 0; i < n; ++i) s[i] = static_cast<char>('a' + i % 26);
    return s;
  }
  int file(const std::string& bytes, int flags = O_RDWR) {
    folder.write("f", bytes);
    return open(folder.path("f"), flags);
  }
};

TEST_F(Io, ReadsAndWritesAFile) {
  const int fd = file(pattern(10'000));
  ASSERT_EQ(fd, 0);  // the lowest free number
  EXPECT_EQ(call(SYS_read, fd, kBuffer, 5000), 5000);
  EXPECT_EQ(get_bytes(kBuffer, 5000), pattern(5000));
  EXPECT_EQ(call(SYS_read, fd, kBuffer, 50'000), 5000);
  EXPECT_EQ(call(SYS_read, fd, kBuffer, 50'000), 0);
  put_string("HELLO");
  EXPECT_EQ(call(SYS_pwrite64, fd, kBuffer, 5, 3), 5);
  EXPECT_EQ(call(SYS_lseek, fd, 0, SEEK_SET), 0);
  EXPECT_EQ(call(SYS_read, fd, kBuffer, 10), 10);
  EXPECT_EQ(get_bytes(kBuffer, 10), "abcHELLOij");
  EXPECT_EQ(call(SYS_pread64, fd, kBuffer, 4, 9'998), 2);
  EXPECT_EQ(call(SYS_close, fd), 0);
  EXPECT_EQ(call(SYS_read, fd, kBuffer, 1), -EBADF);
}

TEST_F(Io, TouchesNoPageThatGetsNoBytes) {
  const int fd = file("short");
  const std::uint64_t fresh = kScratch + 4 * kPageSize;
  const auto before = mm().counters.minor;
  EXPECT_EQ(call(SYS_read, fd, fresh, 8 * kPageSize), 5);
  EXPECT_EQ(mm().counters.minor, before + 1);
}

TEST_F(Io, AShortCountWhereTheSecondPageIsBad) {
  const int fd = file(pattern(3 * kPageSize));
  const std::uint64_t at = kBad - kPageSize - 10;
  ASSERT_EQ(call(SYS_mprotect, kBad - kPageSize, kPageSize, PROT_NONE), 0);
  EXPECT_EQ(call(SYS_read, fd, at, 100), 10);
  EXPECT_EQ(get_bytes(at, 10), pattern(10));
  EXPECT_EQ(call(SYS_lseek, fd, 0, SEEK_CUR), 10);
  EXPECT_EQ(call(SYS_read, fd, kBad - kPageSize, 100), -EFAULT);
  EXPECT_EQ(call(SYS_lseek, fd, 0, SEEK_CUR), 10);
  EXPECT_EQ(call(SYS_write, fd, at, 100), 10);
  EXPECT_EQ(call(SYS_write, fd, kBad, 100), -EFAULT);
}

TEST_F(Io, HostileLengthsAndPointers) {
  const int fd = file("x");
  EXPECT_EQ(call(SYS_read, fd, kBuffer, ~0ULL), -EINVAL);
  EXPECT_EQ(call(SYS_read, fd, ~0ULL - 10, 100), -EFAULT);
  EXPECT_EQ(call(SYS_read, fd, 0x7ffffffff000 - 8, 16), -EFAULT);
  EXPECT_EQ(call(SYS_read, fd, 0xffff888000000000, 16), -EFAULT);
  EXPECT_EQ(call(SYS_write, fd, kBuffer, 1ULL << 62), -EFAULT);
  EXPECT_EQ(call(SYS_pread64, fd, kBuffer, 1, ~0ULL), -EINVAL);
  EXPECT_EQ(call(SYS_read, fd, 0, 0), 0);
  EXPECT_EQ(call(SYS_read, -1, kBuffer, 1), -EBADF);
  EXPECT_EQ(call(SYS_read, 1'000'000, kBuffer, 1), -EBADF);
}

TEST_F(Io, VectorsInOrderAndHostileOnes) {
  const int fd = file("");
  put_string("one", kBuffer + 0x100);
  put_string("two", kBuffer + 0x200);
  put(kBuffer, std::array<std::uint64_t, 6>{kBuffer + 0x100, 3, 0, 0, kBuffer + 0x200, 3});
  EXPECT_EQ(call(SYS_writev, fd, kBuffer, 3), 6);
  EXPECT_EQ(call(SYS_preadv, fd, kBuffer, 3, 0), 6);
  EXPECT_EQ(folder.contents().at("f"), "onetwo");
  EXPECT_EQ(call(SYS_writev, fd, kBuffer, 1025), -EINVAL);
  EXPECT_EQ(call(SYS_writev, fd, kBuffer, 0), 0);
  EXPECT_EQ(call(SYS_writev, fd, kBad - 8, 1), -EFAULT);
  put(kBuffer, std::array<std::uint64_t, 2>{kBuffer, 1ULL << 63});
  EXPECT_EQ(call(SYS_readv, fd, kBuffer, 1), -EINVAL);
  put(kBuffer, std::array<std::uint64_t, 2>{0x7fffffffffff, 16});
  EXPECT_EQ(call(SYS_readv, fd, kBuffer, 1), -EFAULT);
  EXPECT_EQ(call(SYS_preadv2, fd, kBuffer, 1, 0, 0, 4), -EOPNOTSUPP);
}

TEST_F(Io, AVectorEndsAtItsFirstBadPage) {
  const int fd = file(pattern(100));
  put(kBuffer, std::array<std::uint64_t, 4>{kBuffer + 0x100, 10, kBad, 10});
  EXPECT_EQ(call(SYS_readv, fd, kBuffer, 2), 10);
  put(kBuffer, std::array<std::uint64_t, 4>{kBad, 10, kBuffer + 0x100, 10});
  EXPECT_EQ(call(SYS_readv, fd, kBuffer, 2), -EFAULT);
}

TEST_F(Io, DirectionsAndKindsAreChecked) {
  const int fd = file("x", O_RDONLY);
  EXPECT_EQ(call(SYS_write, fd, kBuffer, 1), -EBADF);
  const int writer = open(folder.path("f"), O_WRONLY);
  EXPECT_EQ(call(SYS_read, writer, kBuffer, 1), -EBADF);
  const int dir = open(folder.path(), O_RDONLY);
  EXPECT_EQ(call(SYS_read, dir, kBuffer, 1), -EISDIR);
  const int path = open(folder.path("f"), O_PATH);
  EXPECT_EQ(call(SYS_read, path, kBuffer, 1), -EBADF);
}

TEST_F(Io, PipesCarryBytesBothWays) {
  ASSERT_EQ(call(SYS_pipe2, kBuffer, 0), 0);
  const int r = get<int>(kBuffer), w = get<int>(kBuffer + 4);
  put_string("through the pipe", kBuffer + 0x100);
  EXPECT_EQ(call(SYS_write, w, kBuffer + 0x100, 16), 16);
  EXPECT_EQ(call(SYS_read, r, kBad, 16), -EFAULT);  // and nothing is lost
  EXPECT_EQ(call(SYS_read, r, kBuffer + 0x200, 100), 16);
  EXPECT_EQ(get_bytes(kBuffer + 0x200, 16), "through the pipe");
  EXPECT_EQ(call(SYS_lseek, r, 0, SEEK_SET), -ESPIPE);
  EXPECT_EQ(call(SYS_pread64, r, kBuffer, 1, 0), -ESPIPE);
  EXPECT_EQ(call(SYS_close, w), 0);
  EXPECT_EQ(call(SYS_read, r, kBuffer, 1), 0);
  EXPECT_EQ(call(SYS_pipe2, kBad, 0), -EFAULT);
  EXPECT_EQ(call(SYS_pipe2, kBuffer, 1), -EINVAL);
}

TEST_F(Io, APipeBufferIsTakenWholeOrNotAtAll) {
  ASSERT_EQ(call(SYS_pipe, kBuffer), 0);
  const int r = get<int>(kBuffer), w = get<int>(kBuffer + 4);
  EXPECT_EQ(call(SYS_write, w, kBuffer, 10), 10);
  EXPECT_EQ(call(SYS_read, r, kBad - 6, 10), -EFAULT);  // as natively, though six bytes have room
  EXPECT_EQ(call(SYS_read, r, kBad - 6, 6), 6);
  EXPECT_EQ(call(SYS_read, r, kBad - 6, 10), 4);
}

TEST_F(Io, AnEmptyPipeBlocksTheTaskAndNotTheRunLoop) {
  ASSERT_EQ(call(SYS_pipe, kBuffer), 0);
  const int r = get<int>(kBuffer);
  EXPECT_EQ(once(SYS_read, r, kBuffer, 1), -abi::kBlocked);
  ASSERT_EQ(task->wait_state().fds.size(), 1u);
  EXPECT_EQ(task->wait_state().fds[0].fd, (*task->files().get(r))->host_fd());
  EXPECT_EQ(task->wait_state().fds[0].events, POLLIN);
}

TEST_F(Io, AFullPipeDoesNotHoldTheRunLoopAndLosesNothing) {
  ASSERT_EQ(call(SYS_pipe, kBuffer), 0);
  const int r = get<int>(kBuffer), w = get<int>(kBuffer + 4);
  const std::uint64_t large = 0x20000000, bytes = 100'000;
  map(large, 200'704, PROT_READ | PROT_WRITE);
  const std::string data = pattern(bytes);
  ASSERT_EQ(mmu::copy_to_user(mm(), Gva(large), std::as_bytes(std::span(data))), 0u);
  EXPECT_EQ(once(SYS_write, w, large, bytes), -abi::kBlocked);  // 64 KiB fit
  // A reader elsewhere makes room.
  std::string got(bytes, 0);
  const int host = (*task->files().get(r))->host_fd();
  std::size_t n = static_cast<std::size_t>(::read(host, got.data(), got.size()));
  task->retry_syscall();
  EXPECT_EQ(vcpu.regs()[vmm::UserRegs::kRax], bytes);
  while (n < bytes) n += static_cast<std::size_t>(::read(host, got.data() + n, got.size() - n));
  EXPECT_EQ(got, data);
}

// Standard output may be a socket of whoever started us.
TEST_F(Io, ASocketDoesNotHoldTheRunLoopEither) {
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  const vmm::FileDescriptor other(ends[1]);
  const int guest_end =
      task->files().install(std::make_shared<abi::OpenFile>(vmm::FileDescriptor(ends[0]), O_RDWR), false).value();
  ASSERT_EQ(call(SYS_pipe, kBuffer), 0);
  const int w = get<int>(kBuffer + 4);
  EXPECT_EQ(once(SYS_sendfile, w, guest_end, 0, 100), -abi::kBlocked);
  ASSERT_EQ(::write(other.get(), "bytes", 5), 5);
  EXPECT_EQ(wait_out(-abi::kBlocked), 5);

  constexpr std::uint64_t kLarge = 0x20000000, kBytes = 8 << 20;  // more than it holds
  map(kLarge, kBytes, PROT_READ | PROT_WRITE);
  EXPECT_EQ(once(SYS_write, guest_end, kLarge, kBytes), -abi::kBlocked);
  std::vector<char> got(kBytes);
  EXPECT_GT(::recv(other.get(), got.data(), got.size(), MSG_DONTWAIT), 4096);
}

TEST_F(Io, ABrokenPipeIsSigpipe) {
  ASSERT_EQ(call(SYS_pipe, kBuffer), 0);
  const int r = get<int>(kBuffer), w = get<int>(kBuffer + 4);
  EXPECT_EQ(call(SYS_close, r), 0);
  call(SYS_write, w, kBuffer, 1);
  ASSERT_TRUE(task->exit_status());
  EXPECT_EQ(task->exit_status()->signal, SIGPIPE);
}

// ulimit -f of whoever started us.
TEST_F(Io, AFileThatMayNotGrowIsSigxfszOfTheGuest) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit small{100, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const int fd = file("");
  EXPECT_EQ(call(SYS_pwrite64, fd, kBuffer, 50, 70), 30);  // up to there it may
  for (const auto& call_that_grows :
       std::vector<std::function<std::int64_t(int)>>{[this](int f) { return once(SYS_pwrite64, f, kBuffer, 50, 100); },
                                                     [this](int f) { return once(SYS_ftruncate, f, 101); },
                                                     [this](int f) { return once(SYS_fallocate, f, 0, 0, 101); }}) {
    start({});
    call_that_grows(open(folder.path("f"), O_RDWR));
    ASSERT_TRUE(task->exit_status());
    EXPECT_EQ(task->exit_status()->signal, SIGXFSZ);
  }
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
}

TEST_F(Io, DevicesAndProcAreRead) {
  const int zero = open("/dev/zero", O_RDONLY);
  put_string("xxxx");
  EXPECT_EQ(call(SYS_read, zero, kBuffer, 4), 4);
  EXPECT_EQ(get_bytes(kBuffer, 4), std::string(4, '\0'));
  const int proc = open("/proc/version", O_RDONLY);
  EXPECT_GT(call(SYS_read, proc, kBuffer, 4096), 10);
  EXPECT_EQ(get_bytes(kBuffer, 5), "Linux");
  EXPECT_EQ(call(SYS_read, zero, kBad, 4), -EFAULT);
}

TEST_F(Io, SendfileAndCopyFileRange) {
  const int in = file("0123456789");
  const int out = open(folder.path("out"), O_CREAT | O_RDWR);
  put<std::int64_t>(kBuffer, 4);
  EXPECT_EQ(call(SYS_sendfile, out, in, kBuffer, 3), 3);
  EXPECT_EQ(get<std::int64_t>(kBuffer), 7);
  EXPECT_EQ(call(SYS_copy_file_range, in, kBuffer, out, 0, 100, 0), 3);
  EXPECT_EQ(folder.contents().at("out"), "456789");
  EXPECT_EQ(call(SYS_sendfile, out, in, kBad, 3), -EFAULT);
}

}  // namespace
}  // namespace faultline::test
