// Files by name and by descriptor: sys_open, sys_descriptor, sys_stat, sys_directory,
// sys_attribute, sys_size.
#include <fcntl.h>
#include <fmt/format.h>
#include <malloc.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "tests/unit/linux_abi/task_fixture.hpp"

namespace faultline::test {
namespace {

class Files : public TaskTest {
 protected:
  static constexpr std::uint64_t kOut = kScratch + kPageSize, kBad = kScratch + kScratchBytes;
  std::uint64_t name(const std::string& file, std::uint64_t at = kScratch) { return put_string(folder.path(file), at); }
};

TEST_F(Files, NumbersAreTheLowestFree) {
  folder.write("f", "");
  const std::string f = folder.path("f");
  EXPECT_EQ(open(f, O_RDONLY), 0);
  EXPECT_EQ(open(f, O_RDONLY), 1);
  EXPECT_EQ(open(f, O_RDONLY), 2);
  EXPECT_EQ(call(SYS_close, 1), 0);
  EXPECT_EQ(call(SYS_dup, 2), 1);
  EXPECT_EQ(call(SYS_dup2, 2, 7), 7);
  EXPECT_EQ(call(SYS_fcntl, 0, F_DUPFD, 5), 5);
  EXPECT_EQ(call(SYS_fcntl, 0, F_DUPFD, 5), 6);
  EXPECT_EQ(call(SYS_close_range, 1, ~0U, 0), 0);
  EXPECT_EQ(open(f, O_RDONLY), 1);
  EXPECT_EQ(call(SYS_close, 99), -EBADF);
  EXPECT_EQ(call(SYS_close, -1), -EBADF);
}

TEST_F(Files, TheTableHasALimit) {
  folder.write("f", "");
  put(kScratch, std::array<std::uint64_t, 2>{4, 4});
  ASSERT_EQ(call(SYS_setrlimit, RLIMIT_NOFILE, kScratch), 0);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(open(folder.path("f"), O_RDONLY), i);
  EXPECT_EQ(open(folder.path("f"), O_RDONLY), -EMFILE);
  EXPECT_EQ(call(SYS_dup2, 0, 4), -EBADF);
  EXPECT_EQ(call(SYS_fcntl, 0, F_DUPFD, 4), -EINVAL);
}

TEST_F(Files, AHighNumberCostsNoMoreThanALowOne) {
  constexpr std::uint64_t kMost = 1U << 20;
  put(kScratch, std::array<std::uint64_t, 2>{kMost, kMost});
  ASSERT_EQ(call(SYS_setrlimit, RLIMIT_NOFILE, kScratch), 0);
  folder.write("f", "");
  const int fd = open(folder.path("f"), O_RDONLY);
  const auto allocated = [] {
    const auto info = ::mallinfo2();
    return info.uordblks + info.hblkhd;
  };
  const std::size_t before = allocated();
  ASSERT_EQ(call(SYS_dup2, fd, kMost - 1), static_cast<std::int64_t>(kMost) - 1);
  EXPECT_LT(allocated() - before, 1U << 20);
  EXPECT_EQ(call(SYS_fcntl, fd, F_DUPFD, kMost - 1), -EMFILE);
  EXPECT_EQ(call(SYS_close_range, 3, ~0U, 4), 0);  // CLOSE_RANGE_CLOEXEC
  EXPECT_EQ(call(SYS_fcntl, kMost - 1, F_GETFD), FD_CLOEXEC);
  EXPECT_EQ(call(SYS_fcntl, fd, F_GETFD), 0);
  EXPECT_EQ(call(SYS_close_range, 3, ~0U, 0), 0);
  EXPECT_EQ(call(SYS_close, kMost - 1), -EBADF);
}

TEST_F(Files, FlagsBelongToDescriptorOrDescription) {
  folder.write("f", "abc");
  const int fd = open(folder.path("f"), O_RDWR | O_CLOEXEC);
  EXPECT_EQ(call(SYS_fcntl, fd, F_GETFD), FD_CLOEXEC);
  const auto copy = call(SYS_dup, fd);
  EXPECT_EQ(call(SYS_fcntl, copy, F_GETFD), 0);
  EXPECT_EQ(call(SYS_fcntl, fd, F_SETFL, O_APPEND), 0);
  EXPECT_EQ(call(SYS_fcntl, copy, F_GETFL), O_RDWR | O_APPEND | 0100000);
  EXPECT_EQ(call(SYS_lseek, fd, 2, SEEK_SET), 2);
  EXPECT_EQ(call(SYS_lseek, copy, 0, SEEK_CUR), 2);
  EXPECT_EQ(call(SYS_dup3, fd, fd, 0), -EINVAL);
  EXPECT_EQ(call(SYS_fcntl, fd, 9999), -EINVAL);
}

TEST_F(Files, OpenReportsBadPointersAndNames) {
  EXPECT_EQ(call(SYS_openat, AT_FDCWD, 0, O_RDONLY), -EFAULT);
  EXPECT_EQ(call(SYS_openat, AT_FDCWD, kBad, O_RDONLY), -EFAULT);
  EXPECT_EQ(call(SYS_openat, AT_FDCWD, ~0ULL, O_RDONLY), -EFAULT);
  EXPECT_EQ(open("", O_RDONLY), -ENOENT);
  EXPECT_EQ(call(SYS_open, put_string(std::string(5000, 'x')), O_RDONLY), -ENAMETOOLONG);
  EXPECT_EQ(call(SYS_openat, 77, put_string("relative"), O_RDONLY), -EBADF);
  EXPECT_EQ(open("/etc/passwd/x", O_RDONLY), -ENOTDIR);
  // A string that runs into memory that is not there.
  const std::string unterminated(64, 'x');
  ASSERT_EQ(mmu::copy_to_user(mm(), Gva(kBad - 64), std::as_bytes(std::span(unterminated))), 0u);
  EXPECT_EQ(call(SYS_open, kBad - 64, O_RDONLY), -EFAULT);
}

TEST_F(Files, CreatesUnderTheGuestsUmask) {
  const std::uint32_t before = task->file_system().umask;
  EXPECT_EQ(call(SYS_umask, 027), static_cast<std::int64_t>(before));
  ASSERT_GE(open(folder.path("new"), O_CREAT | O_WRONLY, 0666), 0);
  struct stat st {};
  ASSERT_EQ(::stat(folder.path("new").c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777, 0640u);
}

TEST_F(Files, StatInAllItsForms) {
  folder.write("f", "12345");
  ASSERT_EQ(::symlink("f", folder.path("l").c_str()), 0);
  ASSERT_EQ(call(SYS_stat, name("l"), kOut), 0);
  EXPECT_EQ(get<struct stat>(kOut).st_size, 5);
  ASSERT_EQ(call(SYS_lstat, name("l"), kOut), 0);
  EXPECT_TRUE(S_ISLNK(get<struct stat>(kOut).st_mode));
  const int fd = open(folder.path("f"), O_RDONLY);
  ASSERT_EQ(call(SYS_newfstatat, fd, put_string(""), kOut, AT_EMPTY_PATH), 0);
  EXPECT_EQ(get<struct stat>(kOut).st_size, 5);
  ASSERT_EQ(call(SYS_statx, AT_FDCWD, name("f"), 0, STATX_SIZE, kOut), 0);
  EXPECT_EQ(get<struct statx>(kOut).stx_size, 5u);
  EXPECT_EQ(call(SYS_fstat, fd, kBad), -EFAULT);
  EXPECT_EQ(call(SYS_fstat, 55, kOut), -EBADF);
  EXPECT_EQ(call(SYS_newfstatat, fd, put_string(""), kOut, 0), -ENOENT);
  EXPECT_EQ(call(SYS_newfstatat, AT_FDCWD, name("f"), kOut, 0x80000), -EINVAL);
  EXPECT_EQ(call(SYS_readlink, name("l"), kOut, 100), 1);
  EXPECT_EQ(call(SYS_readlink, name("f"), kOut, 100), -EINVAL);
  EXPECT_EQ(call(SYS_readlink, name("l"), kOut, 0), -EINVAL);
  EXPECT_EQ(call(SYS_access, name("f"), F_OK), 0);
  EXPECT_EQ(call(SYS_access, name("f"), 8), -EINVAL);
  EXPECT_EQ(call(SYS_statfs, name("f"), kOut), 0);
}

TEST_F(Files, DirectoriesAreListedMadeAndRemoved) {
  EXPECT_EQ(call(SYS_mkdir, name("d"), 0755), 0);
  EXPECT_EQ(call(SYS_mkdir, name("d"), 0755), -EEXIST);
  ASSERT_GE(open(folder.path("d/x"), O_CREAT | O_WRONLY), 0);
  EXPECT_EQ(call(SYS_rmdir, name("d")), -ENOTEMPTY);
  const int dir = open(folder.path("d"), O_RDONLY | O_DIRECTORY);
  EXPECT_GT(call(SYS_getdents64, dir, kOut, 4096), 60);
  EXPECT_EQ(call(SYS_getdents64, dir, kOut, 4096), 0);
  EXPECT_EQ(call(SYS_lseek, dir, 0, SEEK_SET), 0);
  EXPECT_EQ(call(SYS_getdents64, dir, kBad, 4096), -EFAULT);
  EXPECT_GT(call(SYS_getdents64, dir, kOut, 4096), 60);  // nothing was skipped
  EXPECT_EQ(call(SYS_unlinkat, dir, put_string("x"), 0), 0);
  EXPECT_EQ(call(SYS_rename, name("d"), name("e", kOut)), 0);
  EXPECT_EQ(call(SYS_rmdir, name("e")), 0);
  EXPECT_TRUE(folder.contents().empty());
}

TEST_F(Files, LinksAttributesAndSizes) {
  folder.write("f", "12345");
  EXPECT_EQ(call(SYS_link, name("f"), name("g", kOut)), 0);
  EXPECT_EQ(call(SYS_symlink, put_string("f"), name("s", kOut)), 0);
  EXPECT_EQ(call(SYS_chmod, name("s"), 0600), 0);
  put(kOut, std::array<timespec, 2>{timespec{1000, 0}, timespec{2000, 0}});
  EXPECT_EQ(call(SYS_utimensat, AT_FDCWD, name("f"), kOut, 0), 0);
  struct stat st {};
  ASSERT_EQ(::stat(folder.path("f").c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 07777, 0600u);
  EXPECT_EQ(st.st_nlink, 2u);
  EXPECT_EQ(st.st_mtim.tv_sec, 2000);
  EXPECT_EQ(call(SYS_truncate, name("f"), 2), 0);
  EXPECT_EQ(folder.contents().at("g"), "12");
  EXPECT_EQ(call(SYS_truncate, name("f"), -1), -EINVAL);
  EXPECT_EQ(call(SYS_ftruncate, open(folder.path("f"), O_RDONLY), 1), -EINVAL);
  EXPECT_EQ(call(SYS_fsync, open(folder.path("f"), O_RDWR)), 0);
}

TEST_F(Files, IoctlsOfTerminalsOnly) {
  folder.write("f", "12345");
  const int fd = open(folder.path("f"), O_RDONLY);
  EXPECT_EQ(call(SYS_ioctl, fd, TCGETS, kOut), -ENOTTY);
  EXPECT_EQ(call(SYS_ioctl, fd, FIONREAD, kOut), 0);
  EXPECT_EQ(get<int>(kOut), 5);
  EXPECT_EQ(call(SYS_ioctl, fd, FIONREAD, kBad), -EFAULT);
  EXPECT_EQ(call(SYS_ioctl, fd, 0xdeadbeef, kOut), -ENOTTY);
  EXPECT_EQ(call(SYS_ioctl, 99, TCGETS, kOut), -EBADF);
  EXPECT_EQ(call(SYS_ioctl, fd, FIOCLEX, 0), 0);
  EXPECT_EQ(call(SYS_fcntl, fd, F_GETFD), FD_CLOEXEC);
}

TEST_F(Files, MemoryFilesCanBeSealed) {
  const auto fd = call(SYS_memfd_create, put_string("m"), 2);  // MFD_ALLOW_SEALING
  ASSERT_GE(fd, 0);
  EXPECT_EQ(call(SYS_ftruncate, fd, 4096), 0);
  EXPECT_EQ(call(SYS_fcntl, fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
  EXPECT_EQ(call(SYS_mmap, 0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), -EPERM);
  EXPECT_GT(call(SYS_mmap, 0, 4096, PROT_READ, MAP_SHARED, fd, 0), 0);
  EXPECT_EQ(call(SYS_memfd_create, put_string(std::string(300, 'x')), 0), -EINVAL);
  EXPECT_EQ(call(SYS_memfd_create, kBad, 0), -EFAULT);
}

// However it is named, an open that has to wait keeps neither the other processes nor the clock waiting.
class NamedPipe : public Files {
 protected:
  NamedPipe() { EXPECT_EQ(::mkfifo(path.c_str(), 0600), 0); }
  // `name` blocks until somebody writes to the pipe.
  void expect_to_wait(const std::string& name) {
    ASSERT_EQ(once(SYS_open, put_string(name), O_RDONLY), -abi::kBlocked);
    const vmm::FileDescriptor writer(::open(path.c_str(), O_RDWR | O_CLOEXEC));
    EXPECT_GE(wait_out(-abi::kBlocked), 0);
  }
  const std::string path = folder.path("pipe");
};

TEST_F(NamedPipe, IsWaitedForByItsName) { expect_to_wait(path); }

TEST_F(NamedPipe, IsWaitedForByADescriptorOfIt) {
  const int fd = open(path, O_RDONLY | O_NONBLOCK);
  ASSERT_GE(fd, 0);
  expect_to_wait(fmt::format("/proc/self/fd/{}", fd));
}

// The guest may put a pipe where its program was.
TEST_F(NamedPipe, IsWaitedForAsTheProgram) {
  program_path = path;
  start({});
  expect_to_wait("/proc/self/exe");
}

TEST_F(NamedPipe, OneWithoutANameIsNot) {
  ASSERT_EQ(call(SYS_pipe, kOut), 0);
  const auto reader = get<std::int32_t>(kOut), writer = get<std::int32_t>(kOut + 4);
  ASSERT_EQ(call(SYS_close, writer), 0);
  EXPECT_GE(open(fmt::format("/proc/self/fd/{}", reader), O_RDONLY), 0);
}

TEST_F(Files, AProgramThatRunsIsNotWritten) {
  folder.write("program", "bytes");
  program_path = folder.path("program");
  program = std::make_shared<const vmm::FileDescriptor>(::open(program_path.c_str(), O_RDONLY | O_CLOEXEC));
  start({});
  const int reader = open(program_path, O_RDONLY);
  ASSERT_GE(reader, 0);
  for (const int flags : {O_WRONLY, O_RDWR, O_RDONLY | O_TRUNC}) {
    EXPECT_EQ(open(program_path, flags), -ETXTBSY);
    EXPECT_EQ(open("/proc/self/exe", flags), -ETXTBSY);
    EXPECT_EQ(open(fmt::format("/proc/self/fd/{}", reader), flags), -ETXTBSY);
  }
  EXPECT_EQ(call(SYS_truncate, put_string(program_path), 0), -ETXTBSY);
  EXPECT_EQ(folder.contents().at("program"), "bytes");
}

}  // namespace
}  // namespace faultline::test
