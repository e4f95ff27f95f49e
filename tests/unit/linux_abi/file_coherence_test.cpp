// One file seen through mappings and through system calls.
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/falloc.h>
#include <sys/vfs.h>

#include <fstream>

#include "tests/unit/linux_abi/task_fixture.hpp"

namespace faultline::test {
namespace {

class Coherence : public TaskTest {
 protected:
  static constexpr std::uint64_t kMap = 0x20000000, kBuffer = kScratch;

  int prepare(const std::string& bytes) {
    folder.write("f", bytes);
    return open(folder.path("f"), O_RDWR);
  }
  std::int64_t map_file(int fd, int flags, int prot = PROT_READ | PROT_WRITE) {
    return call(SYS_mmap, kMap, 2 * kPageSize, prot, flags | MAP_FIXED, fd, 0);
  }
  // By read calls of this process, whatever they read.
  static std::uint64_t bytes_read_by_us() {
    std::ifstream counters("/proc/self/io");
    std::string name;
    std::uint64_t bytes = 0;
    EXPECT_TRUE(counters >> name >> bytes);
    EXPECT_EQ(name, "rchar:");
    return bytes;
  }
  void store(std::uint64_t at, const std::string& text) {
    ASSERT_EQ(mmu::copy_to_user(mm(), Gva(at), std::as_bytes(std::span(text))), 0u);
  }
};

TEST_F(Coherence, AWriteCallIsSeenThroughTheMapping) {
  const int fd = prepare(std::string(6000, 'a'));
  ASSERT_EQ(map_file(fd, MAP_SHARED), static_cast<std::int64_t>(kMap));
  EXPECT_EQ(get_bytes(kMap, 3), "aaa");
  put_string("NEW");
  EXPECT_EQ(call(SYS_pwrite64, fd, kBuffer, 3, 4095), 3);
  EXPECT_EQ(get_bytes(kMap + 4094, 6), "aNEWaa");
}

TEST_F(Coherence, AStoreIsSeenByAReadCall) {
  const int fd = prepare(std::string(6000, 'a'));
  ASSERT_EQ(map_file(fd, MAP_SHARED), static_cast<std::int64_t>(kMap));
  store(kMap + 10, "STORED");
  EXPECT_EQ(call(SYS_pread64, fd, kBuffer, 20, 5), 20);
  EXPECT_EQ(get_bytes(kBuffer, 20), "aaaaaSTOREDaaaaaaaaa");
  // And after another store, although the page was cleaned meanwhile.
  store(kMap + 10, "AGAIN!");
  EXPECT_EQ(call(SYS_pread64, fd, kBuffer, 6, 10), 6);
  EXPECT_EQ(get_bytes(kBuffer, 6), "AGAIN!");
}

// Pages that are not needed leave the guest's cache, as they leave the host's: those that are whole in the range, clean
// and mapped nowhere.
TEST_F(Coherence, PagesThatAreNotNeededLeaveTheCache) {
  const int fd = prepare(std::string(3 * kPageSize + 100, 'a'));
  constexpr std::uint64_t kFourPages = 4 * kPageSize;
  const auto map = [&] {
    return call(SYS_mmap, kMap, kFourPages, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);
  };
  const auto drop = [&](std::uint64_t offset, std::uint64_t length) {
    EXPECT_EQ(call(SYS_fadvise64, fd, offset, length, POSIX_FADV_DONTNEED), 0);
    return mm().vmas.lookup(Gva(kMap))->file->cached_pages();
  };
  ASSERT_EQ(map(), static_cast<std::int64_t>(kMap));
  get_bytes(kMap, kFourPages);
  EXPECT_EQ(drop(0, 0), 4u);  // mapped
  store(kMap + kPageSize, "DIRTY");
  ASSERT_EQ(call(SYS_munmap, kMap, kFourPages), 0);
  ASSERT_EQ(map(), static_cast<std::int64_t>(kMap));
  EXPECT_EQ(drop(1, 2 * kPageSize), 4u);  // page 1 is dirty, page 0 and 2 are not whole in it
  EXPECT_EQ(drop(2 * kPageSize, kPageSize - 1), 4u);
  EXPECT_EQ(drop(2 * kPageSize, kPageSize), 3u);
  EXPECT_EQ(drop(3 * kPageSize, 100), 2u);  // whole, as far as the file goes
  ASSERT_EQ(call(SYS_fsync, fd), 0);
  EXPECT_EQ(drop(0, 0), 0u);
  EXPECT_EQ(get_bytes(kMap + kPageSize, 5), "DIRTY");
}

TEST_F(Coherence, AStoreInAPrivateMappingStaysPrivate) {
  const int fd = prepare(std::string(6000, 'a'));
  ASSERT_EQ(map_file(fd, MAP_PRIVATE), static_cast<std::int64_t>(kMap));
  store(kMap, "MINE");
  EXPECT_EQ(call(SYS_pread64, fd, kBuffer, 4, 0), 4);
  EXPECT_EQ(get_bytes(kBuffer, 4), "aaaa");
}

TEST_F(Coherence, EverythingIsWrittenBackAtTheEnd) {
  const int fd = prepare(std::string(6000, 'a'));
  ASSERT_EQ(map_file(fd, MAP_SHARED), static_cast<std::int64_t>(kMap));
  ASSERT_EQ(call(SYS_close, fd), 0);
  store(kMap, "KEPT");
  store(kMap + 5996, "END.and nothing behind it");
  call(SYS_exit_group, 0);
  processes->bury(*task);
  const std::string bytes = folder.contents().at("f");
  EXPECT_EQ(bytes.size(), 6000u);
  EXPECT_EQ(bytes.substr(0, 5), "KEPTa");
  EXPECT_EQ(bytes.substr(5994), "aaEND.");
}

TEST_F(Coherence, AFileMappedReadOnlyFirstCanBeWrittenThroughLater) {
  folder.write("f", std::string(100, 'a'));
  const int reader = open(folder.path("f"), O_RDONLY);
  ASSERT_EQ(call(SYS_mmap, kMap + 0x100000, kPageSize, PROT_READ, MAP_SHARED | MAP_FIXED, reader, 0),
            static_cast<std::int64_t>(kMap + 0x100000));
  EXPECT_EQ(get_bytes(kMap + 0x100000, 1), "a");
  const int writer = open(folder.path("f"), O_RDWR);
  ASSERT_EQ(map_file(writer, MAP_SHARED), static_cast<std::int64_t>(kMap));
  store(kMap, "b");
  EXPECT_EQ(get_bytes(kMap + 0x100000, 1), "b");
  EXPECT_EQ(call(SYS_fsync, writer), 0);
  EXPECT_EQ(folder.contents().at("f").substr(0, 2), "ba");
}

TEST_F(Coherence, TruncationTakesThePagesAway) {
  const int fd = prepare(std::string(8192, 'a'));
  ASSERT_EQ(map_file(fd, MAP_SHARED), static_cast<std::int64_t>(kMap));
  EXPECT_EQ(get_bytes(kMap, 1) + get_bytes(kMap + 5000, 1), "aa");
  ASSERT_EQ(call(SYS_ftruncate, fd, 100), 0);
  EXPECT_EQ(get_bytes(kMap + 99, 2), std::string("a\0", 2));
  std::byte byte{};
  EXPECT_EQ(mmu::copy_from_user(mm(), std::span(&byte, 1), Gva(kMap + 5000)), 1u);  // SIGBUS for user code
  ASSERT_EQ(call(SYS_ftruncate, fd, 8192), 0);
  EXPECT_EQ(get_bytes(kMap + 5000, 1), std::string(1, '\0'));
}

// What becomes of bytes that were stored behind the end, in the last page, when a file of 100 bytes grows.
class Growth : public Coherence {
 protected:
  static constexpr std::uint64_t kOldEnd = 100, kNear = 150, kFar = 3000;

  // A file of kOldEnd bytes, mapped, with an n at kNear and an f at kFar; clean if it was written back.
  int prepare_growth(bool in_memory, bool clean) {
    put_string("x");
    const int fd = in_memory ? static_cast<int>(call(SYS_memfd_create, kBuffer, 0)) : prepare("");
    EXPECT_EQ(call(SYS_ftruncate, fd, kOldEnd), 0);
    EXPECT_EQ(map_file(fd, MAP_SHARED), static_cast<std::int64_t>(kMap));
    store(kMap + kNear, "n");
    store(kMap + kFar, "f");
    EXPECT_EQ(clean ? call(SYS_fsync, fd) : 0, 0);
    return fd;
  }
  // Byte `at`, as the mapping and as a read call have it: a dot for zero, nothing behind the end.
  std::string byte_at(int fd, std::uint64_t at) {
    const auto shown = [this](std::uint64_t address) {
      return get_bytes(address, 1)[0] == 0 ? "." : get_bytes(address, 1);
    };
    const std::string mapped = shown(kMap + at);
    return call(SYS_pread64, fd, kBuffer, 1, at) == 1 ? mapped + shown(kBuffer) : mapped;
  }
  std::string stored(int fd) { return byte_at(fd, kNear) + " " + byte_at(fd, kFar); }
  void make_longer(int fd, int how) {
    put_string("y");
    switch (how) {
      case 0: EXPECT_EQ(call(SYS_ftruncate, fd, 200), 0); break;
      case 1: EXPECT_EQ(call(SYS_ftruncate, fd, 2 * kPageSize + 10), 0); break;
      case 2: EXPECT_EQ(call(SYS_pwrite64, fd, kBuffer, 1, 2 * kPageSize), 1); break;
      case 3: EXPECT_EQ(call(SYS_pwrite64, fd, kBuffer, 1, 199), 1); break;
      case 4: EXPECT_EQ(call(SYS_fallocate, fd, 0, kPageSize, kPageSize), 0); break;
      default: EXPECT_EQ(call(SYS_fallocate, fd, 0, 0, kPageSize), 0); break;
    }
  }
  static constexpr int kWays = 6;
};

// Measured on Linux 6.18: shmem_setattr and shmem's writes leave the page alone.
TEST_F(Growth, AFileInMemoryKeepsThem) {
  for (const bool clean : {false, true}) {
    for (int how = 0; how < kWays; ++how) {
      SCOPED_TRACE(fmt::format("way {}, clean {}", how, clean));
      const int fd = prepare_growth(true, clean);
      EXPECT_EQ(stored(fd), "n f");
      make_longer(fd, how);
      EXPECT_EQ(stored(fd), how == 0 || how == 3 ? "nn f" : "nn ff");
      call(SYS_munmap, kMap, 2 * kPageSize);
      call(SYS_close, fd);
    }
  }
}

// Measured on ext4 of Linux 6.18. A write zeroes up to where it starts.
TEST_F(Growth, AFileOnDiskHasZeroesThere) {
  struct statfs fs {};
  ASSERT_EQ(::statfs(folder.path().c_str(), &fs), 0);
  if (fs.f_type == 0x01021994) GTEST_SKIP() << "the scratch folder is a tmpfs";
  for (const bool clean : {false, true}) {
    for (int how = 0; how < kWays; ++how) {
      SCOPED_TRACE(fmt::format("way {}, clean {}", how, clean));
      const int fd = prepare_growth(false, clean);
      EXPECT_EQ(stored(fd), clean ? ". ." : "n f");
      make_longer(fd, how);
      const std::string within = how == 3 && !clean ? ".. f" : ".. .";
      EXPECT_EQ(stored(fd), how == 0 || how == 3 ? within : ".. ..");
      call(SYS_munmap, kMap, 2 * kPageSize);
      call(SYS_close, fd);
    }
  }
}

TEST_F(Coherence, ACollapsedRangeTakesTheLastPagesAway) {
  const int fd = prepare(std::string(4096, 'a') + std::string(4096, 'b'));
  ASSERT_EQ(map_file(fd, MAP_SHARED), static_cast<std::int64_t>(kMap));
  EXPECT_EQ(get_bytes(kMap, 1) + get_bytes(kMap + 4096, 1), "ab");
  const std::int64_t collapsed = call(SYS_fallocate, fd, FALLOC_FL_COLLAPSE_RANGE, 0, 4096);
  if (collapsed == -EOPNOTSUPP) GTEST_SKIP() << "the file system collapses no ranges";
  ASSERT_EQ(collapsed, 0);
  EXPECT_EQ(get_bytes(kMap, 1), "b");
  std::byte byte{};
  EXPECT_EQ(mmu::copy_from_user(mm(), std::span(&byte, 1), Gva(kMap + 4096)), 1u);  // SIGBUS for user code
}

TEST_F(Coherence, OpeningWithTruncationToo) {
  const int fd = prepare(std::string(4096, 'a'));
  ASSERT_EQ(map_file(fd, MAP_SHARED), static_cast<std::int64_t>(kMap));
  std::byte byte{};
  for (const std::string& name : {folder.path("f"), fmt::format("/proc/self/fd/{}", fd)}) {
    ASSERT_EQ(call(SYS_ftruncate, fd, 4096), 0);
    ASSERT_EQ(mmu::copy_from_user(mm(), std::span(&byte, 1), Gva(kMap)), 0u);
    ASSERT_GE(open(name, O_RDWR | O_TRUNC), 0);
    EXPECT_EQ(mmu::copy_from_user(mm(), std::span(&byte, 1), Gva(kMap)), 1u) << name;
  }
}

TEST_F(Coherence, APunchedHoleReadsAsZeroes) {
  const int fd = prepare(std::string(8192, 'a'));
  ASSERT_EQ(map_file(fd, MAP_SHARED), static_cast<std::int64_t>(kMap));
  EXPECT_EQ(get_bytes(kMap, 1), "a");
  const std::int64_t punched = call(SYS_fallocate, fd, 3, 0, 4096);  // PUNCH_HOLE | KEEP_SIZE
  if (punched == -EOPNOTSUPP) GTEST_SKIP() << "the file system punches no holes";
  ASSERT_EQ(punched, 0);
  EXPECT_EQ(get_bytes(kMap, 1), std::string(1, '\0'));
  EXPECT_EQ(get_bytes(kMap + 4096, 1), "a");
}

// The guest names any range, and gets no more of our time than for what it has cached.
TEST_F(Coherence, AHoleCostsWhatIsCachedOfIt) {
  constexpr std::uint64_t kGigabyte = 1ULL << 30;
  put_string("x");
  const auto fd = static_cast<int>(call(SYS_memfd_create, kBuffer, 0));
  ASSERT_EQ(call(SYS_ftruncate, fd, kGigabyte), 0);
  ASSERT_EQ(map_file(fd, MAP_SHARED), static_cast<std::int64_t>(kMap));
  store(kMap, std::string(2 * kPageSize, 'a'));
  const std::uint64_t before = bytes_read_by_us();
  ASSERT_EQ(call(SYS_fallocate, fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 100, kGigabyte), 0);
  EXPECT_LT(bytes_read_by_us() - before, 1U << 20);
  EXPECT_EQ(get_bytes(kMap + 99, 2), std::string("a\0", 2));
  EXPECT_EQ(get_bytes(kMap + 5000, 1), std::string(1, '\0'));
}

TEST_F(Coherence, AppendingIsSeenWhereItLands) {
  folder.write("f", std::string(10, 'a'));
  const int fd = open(folder.path("f"), O_RDWR | O_APPEND);
  ASSERT_EQ(map_file(fd, MAP_SHARED), static_cast<std::int64_t>(kMap));
  EXPECT_EQ(get_bytes(kMap, 12), "aaaaaaaaaa" + std::string(2, '\0'));
  put_string("zz");
  EXPECT_EQ(call(SYS_write, fd, kBuffer, 2), 2);
  EXPECT_EQ(get_bytes(kMap, 12), "aaaaaaaaaazz");
}

TEST_F(Coherence, MappingRulesOfDescriptors) {
  folder.write("f", "abc");
  const int reader = open(folder.path("f"), O_RDONLY), writer = open(folder.path("f"), O_WRONLY);
  EXPECT_EQ(map_file(reader, MAP_SHARED), -EACCES);
  EXPECT_EQ(map_file(reader, MAP_PRIVATE), static_cast<std::int64_t>(kMap));
  EXPECT_EQ(map_file(writer, MAP_SHARED), -EACCES);
  EXPECT_EQ(map_file(99, MAP_PRIVATE), -EBADF);
  EXPECT_EQ(map_file(open(folder.path(), O_RDONLY), MAP_PRIVATE), -ENODEV);
  EXPECT_EQ(call(SYS_mmap, kMap, kPageSize, PROT_READ, MAP_PRIVATE, reader, 1), -EINVAL);
  EXPECT_GT(call(SYS_mmap, 0, kPageSize, PROT_READ, MAP_PRIVATE, open("/dev/zero", O_RDONLY), 0), 0);
}

}  // namespace
}  // namespace faultline::test
