// One file seen through mappings and through system calls.
#include <fcntl.h>

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

TEST_F(Coherence, OpeningWithTruncationToo) {
  const int fd = prepare(std::string(4096, 'a'));
  ASSERT_EQ(map_file(fd, MAP_SHARED), static_cast<std::int64_t>(kMap));
  EXPECT_EQ(get_bytes(kMap, 1), "a");
  ASSERT_GE(open(folder.path("f"), O_RDWR | O_TRUNC), 0);
  std::byte byte{};
  EXPECT_EQ(mmu::copy_from_user(mm(), std::span(&byte, 1), Gva(kMap)), 1u);
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
