// Memory system calls: what is theirs beside the functions of mmu/space.
#include <sys/uio.h>

#include "tests/unit/linux_abi/task_fixture.hpp"

namespace faultline::test {
namespace {

constexpr int kSelf = -10000, kSelfProcess = -10001;
constexpr long kMseal = 462;

class SysMemory : public TaskTest {
 protected:
  static constexpr std::uint64_t kAt = 0x20000000;
  static constexpr std::uint64_t kVector = kScratch + 0x1000;
  void become(LinuxVersion version) {
    memory.env.behaviour = LinuxBehaviour::of(version);
    start({});
  }
};

TEST_F(SysMemory, ProcessMadviseOfOneself) {
  map(kAt, 4 * kPageSize, PROT_READ | PROT_WRITE);
  put(kVector, std::array<iovec, 3>{{{reinterpret_cast<void*>(kAt), kPageSize},
                                     {reinterpret_cast<void*>(kAt + kPageSize), 2 * kPageSize},
                                     {reinterpret_cast<void*>(kAt + 0x10000), kPageSize}}});
  EXPECT_EQ(call(SYS_process_madvise, kSelf, kVector, 2, MADV_DONTNEED, 0), 3 * static_cast<int>(kPageSize));
  EXPECT_EQ(call(SYS_process_madvise, kSelfProcess, kVector, 3, MADV_COLD, 0), 3 * static_cast<int>(kPageSize));
  EXPECT_EQ(call(SYS_process_madvise, kSelf, kVector + 2 * sizeof(iovec), 1, MADV_COLD, 0), -ENOMEM);
  EXPECT_EQ(call(SYS_process_madvise, kSelf, kVector, 0, MADV_COLD, 0), 0);
  EXPECT_EQ(call(SYS_process_madvise, kSelf, kVector, 1, MADV_COLD, 1), -EINVAL);
  EXPECT_EQ(call(SYS_process_madvise, kSelf, kVector, 1, 99, 0), -EINVAL);
  EXPECT_EQ(call(SYS_process_madvise, kSelf, kVector, 2000, MADV_COLD, 0), -EINVAL);
  EXPECT_EQ(call(SYS_process_madvise, kSelf, 8, 1, MADV_COLD, 0), -EFAULT);
  EXPECT_EQ(call(SYS_process_madvise, -1, kVector, 1, MADV_COLD, 0), -EBADF);
  EXPECT_EQ(call(SYS_process_madvise, -10002, kVector, 1, MADV_COLD, 0), -EBADF);
  put(kVector, iovec{reinterpret_cast<void*>(kAt), ~std::size_t{0}});
  EXPECT_EQ(call(SYS_process_madvise, kSelf, kVector, 1, MADV_COLD, 0), -EINVAL);
}

TEST_F(SysMemory, SealsAndKeys) {
  map(kAt, 2 * kPageSize, PROT_READ | PROT_WRITE);
  EXPECT_EQ(call(kMseal, kAt, kPageSize, 0), 0);
  EXPECT_EQ(call(SYS_munmap, kAt, kPageSize), -EPERM);
  EXPECT_EQ(call(SYS_pkey_alloc, 0, 0), -EINVAL);
  EXPECT_EQ(call(SYS_pkey_alloc, 0, 0), -ENOSPC);
  EXPECT_EQ(call(SYS_pkey_free, 0), -EINVAL);
  EXPECT_EQ(call(SYS_pkey_mprotect, kAt + kPageSize, kPageSize, PROT_READ, -1), 0);
  EXPECT_EQ(call(SYS_pkey_mprotect, kAt + kPageSize, kPageSize, PROT_READ, 1), -EINVAL);
}

TEST_F(SysMemory, OlderLinuxHasFewerCalls) {
  become({6, 9});
  EXPECT_EQ(call(kMseal, kScratch, kPageSize, 0), -ENOSYS);
  EXPECT_EQ(call(SYS_process_madvise, kSelf, kVector, 0, MADV_COLD, 0), 0);
  EXPECT_EQ(call(SYS_process_madvise, kSelf, kVector, 0, MADV_DONTNEED, 0), -EINVAL);
  become({5, 9});
  EXPECT_EQ(call(SYS_process_madvise, kSelf, kVector, 0, MADV_COLD, 0), -ENOSYS);
}

}  // namespace
}  // namespace faultline::test
