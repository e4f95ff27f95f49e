#include "mmu/backing/file_mapping.hpp"

#include <gtest/gtest.h>

#include "tests/unit/support/guest_memory.hpp"

namespace faultline::mmu {
namespace {

using test::GuestMemory;
using test::TestFile;

struct FileMappingTest : testing::Test {
  GuestMemory g{16ULL << 20};
  TestFile* raw = nullptr;
  std::shared_ptr<FileMapping> open(std::string content, FileKind kind = FileKind::kRegular) {
    auto f = std::make_unique<TestFile>(FileId{1, 1}, kind, std::move(content));
    raw = f.get();
    return g.cache.open(std::move(f));
  }
  std::span<std::byte, kPageSize> page(FileMapping& m, std::uint64_t i) {
    return g.frames.memory().page(m.find(Pgoff(i)).value());
  }
};

TEST_F(FileMappingTest, OneCacheForEachInode) {
  const auto a = open(std::string(10, 'a'));
  const auto b = g.cache.open(std::make_unique<TestFile>(FileId{1, 1}, FileKind::kRegular, "other"));
  const auto c = g.cache.open(std::make_unique<TestFile>(FileId{1, 2}, FileKind::kRegular, "other"));
  EXPECT_EQ(a, b);
  EXPECT_NE(a, c);
  EXPECT_EQ(g.cache.find(FileId{1, 2}), c);
  EXPECT_EQ(g.cache.find(FileId{9, 9}), nullptr);
}

TEST_F(FileMappingTest, LastPageIsZeroPaddedAndBeyondIsRefused) {
  const auto m = open(std::string(kPageSize + 5, 'x'));
  ASSERT_TRUE(m->fetch(Pgoff(1)));
  EXPECT_EQ(page(*m, 1)[4], std::byte{'x'});
  EXPECT_EQ(page(*m, 1)[5], std::byte{0});
  EXPECT_EQ(m->fetch(Pgoff(2)).error().value(), EFAULT);
  raw->fail_with = EIO;
  EXPECT_EQ(m->fetch(Pgoff(0)).error().value(), EIO);
  EXPECT_EQ(m->cached_pages(), 1u);
}

TEST_F(FileMappingTest, CachedFetchTakesWhatIsInMemoryAndLeavesOutTheRest) {
  const auto m = open(std::string(16 * kPageSize - 100, 'x'));
  ASSERT_TRUE(m->fetch(Pgoff(2)));
  raw->cold = {9};
  m->fetch_cached(Pgoff(0), 16);
  for (std::uint64_t i = 0; i < 9; ++i) EXPECT_TRUE(m->find(Pgoff(i))) << i;
  EXPECT_FALSE(m->find(Pgoff(9)));
  EXPECT_TRUE(m->find(Pgoff(10)));
  raw->cold.clear();
  m->fetch_cached(Pgoff(9), 100);
  EXPECT_EQ(m->cached_pages(), 16u);  // the partial last one as well
  EXPECT_EQ(g.frames.used_frames(), 17u);
}

TEST_F(FileMappingTest, WriteBackWritesDirtyPagesOnceAndKeepsWhatFailed) {
  const auto m = open(std::string(3 * kPageSize, 'x'));
  m->fetch_cached(Pgoff(0), 3);
  page(*m, 1)[0] = std::byte{'y'};
  m->mark_dirty(Pgoff(1));
  raw->fail_with = ENOSPC;
  EXPECT_EQ(m->write_back(Pgoff(0), Pgoff(2)).error().value(), ENOSPC);
  raw->fail_with = 0;
  EXPECT_TRUE(m->write_back(Pgoff(2), Pgoff(2)));
  EXPECT_EQ(raw->writes, 0);
  EXPECT_TRUE(g.cache.write_back_all());
  EXPECT_EQ(raw->writes, 1);
  EXPECT_EQ(raw->content[kPageSize], 'y');
  EXPECT_TRUE(g.cache.write_back_all());
  EXPECT_EQ(raw->writes, 1);
}

// What a program stores behind the end of the file in its last page: a disk has zeroes there.
TEST_F(FileMappingTest, WriteBackToADiskClearsWhatIsBehindTheEnd) {
  for (const FileKind kind : {FileKind::kRegular, FileKind::kShmem}) {
    const FileId id{1, kind == FileKind::kRegular ? 1U : 2U};
    const auto m = g.cache.open(std::make_unique<TestFile>(id, kind, std::string(kPageSize + 5, 'x')));
    m->fetch_cached(Pgoff(0), 2);
    page(*m, 1)[4] = page(*m, 1)[5] = page(*m, 1)[kPageSize - 1] = std::byte{'y'};
    ASSERT_TRUE(m->write_back(Pgoff(0), Pgoff(1)));
    EXPECT_EQ(page(*m, 1)[5], std::byte{'y'});  // clean: nothing is written
    m->mark_dirty(Pgoff(1));
    ASSERT_TRUE(m->write_back(Pgoff(0), Pgoff(1)));
    const std::byte behind{kind == FileKind::kRegular ? '\0' : 'y'};
    EXPECT_EQ(page(*m, 1)[4], std::byte{'y'});
    EXPECT_EQ(page(*m, 1)[5], behind);
    EXPECT_EQ(page(*m, 1)[kPageSize - 1], behind);
  }
}

TEST_F(FileMappingTest, SystemCallWritesReachCachedPages) {
  const auto m = open(std::string(3 * kPageSize, 'x'));
  m->fetch_cached(Pgoff(0), 2);
  const std::string text(kPageSize, 'w');
  m->update_cached(kPageSize + 100, std::as_bytes(std::span(text)));
  EXPECT_EQ(page(*m, 1)[99], std::byte{'x'});
  EXPECT_EQ(page(*m, 1)[100], std::byte{'w'});
  EXPECT_FALSE(m->find(Pgoff(2)));
}

TEST_F(FileMappingTest, TruncationDropsPagesAndZeroesTheTail) {
  const auto m = open(std::string(4 * kPageSize, 'x'));
  m->fetch_cached(Pgoff(0), 4);
  m->truncate(kPageSize + 10);
  EXPECT_EQ(m->cached_pages(), 2u);
  EXPECT_EQ(page(*m, 1)[9], std::byte{'x'});
  EXPECT_EQ(page(*m, 1)[10], std::byte{0});
  EXPECT_EQ(g.frames.used_frames(), 3u);
}

TEST_F(FileMappingTest, SharedAnonymousMemoryIsZeroAndDiesWithItsMappings) {
  auto m = g.cache.create_anonymous(2 * kPageSize);
  EXPECT_EQ(m->kind(), FileKind::kShmem);
  m->fetch_cached(Pgoff(0), 2);
  EXPECT_EQ(m->cached_pages(), 0u);  // holes are nowhere
  ASSERT_TRUE(m->fetch(Pgoff(0)));
  EXPECT_EQ(page(*m, 0)[0], std::byte{0});
  m.reset();
  EXPECT_EQ(g.frames.used_frames(), 1u);
}

}  // namespace
}  // namespace faultline::mmu
