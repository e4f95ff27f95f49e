#include "mmu/backing/readahead.hpp"

#include <gtest/gtest.h>

#include "tests/unit/support/guest_memory.hpp"

namespace faultline::mmu {

void PrintTo(const ReadaheadWindow& w, std::ostream* out) {
  *out << w.first << '+' << w.count << ", async " << w.async_size;
}

namespace {

using test::GuestMemory;
using test::TestFile;

constexpr std::uint64_t kMost = 32;

ReadaheadRequest at(std::uint64_t page) {
  return {.page = Pgoff(page), .area_first = Pgoff(0), .area_end = Pgoff(1000)};
}

ReadaheadWindow first_window(const ReadaheadRequest& request, std::uint64_t most = kMost) {
  ReadaheadState state;
  return sync_readahead(state, request, most);
}

TEST(Readahead, GoesAroundThePage) {
  EXPECT_EQ(first_window(at(100)), (ReadaheadWindow{84, 32, 8}));
  EXPECT_EQ(first_window(at(5)), (ReadaheadWindow{0, 32, 8}));
  EXPECT_EQ(first_window(at(5), 0), ReadaheadWindow{});
}

TEST(Readahead, GoesByAdvice) {
  ReadaheadRequest request = at(100);
  request.random = true;
  EXPECT_EQ(first_window(request), ReadaheadWindow{});
  request = at(100);
  request.sequential = true;
  EXPECT_EQ(first_window(request), (ReadaheadWindow{100, 32, 0}));
  request.page = Pgoff(0);
  EXPECT_EQ(first_window(request), (ReadaheadWindow{0, 32, 16}));
  request = at(700);
  request.huge = true;
  EXPECT_EQ(first_window(request, 0), (ReadaheadWindow{512, 1024, 512}));
  request.random = true;
  EXPECT_EQ(first_window(request), (ReadaheadWindow{512, 512, 512}));
}

TEST(Readahead, OfWhatIsExecutedGoesForwardToTheEndOfTheMapping) {
  ReadaheadRequest request = at(100);
  request.executable = true;
  EXPECT_EQ(first_window(request), (ReadaheadWindow{100, 32, 0}));
  request.area_end = Pgoff(110);
  EXPECT_EQ(first_window(request), (ReadaheadWindow{100, 10, 0}));
  request.random = true;  // it counts as random as it is
  EXPECT_EQ(first_window(request), (ReadaheadWindow{100, 10, 0}));
  request.sequential = true;
  EXPECT_EQ(first_window(request), (ReadaheadWindow{100, 32, 0}));
}

TEST(Readahead, EndsAfterManyMisses) {
  ReadaheadState state;
  for (int i = 0; i < 100; ++i) EXPECT_NE(sync_readahead(state, at(200), kMost).count, 0u);
  EXPECT_EQ(sync_readahead(state, at(200), kMost).count, 0u);
  readahead_hits(state, 2);
  EXPECT_NE(sync_readahead(state, at(200), kMost).count, 0u);
  for (int i = 0; i < 2000; ++i) static_cast<void>(sync_readahead(state, at(200), kMost));
  EXPECT_EQ(state.misses, 1000u);
  readahead_hits(state, 5000);
  EXPECT_EQ(state.misses, 0u);
}

TEST(Readahead, AStreamGoesOnFromItsMark) {
  ReadaheadState state;
  const auto none = [](Pgoff, std::uint64_t) -> Pgoff {
    ADD_FAILURE() << "asked";
    return Pgoff(0);
  };
  EXPECT_EQ(sync_readahead(state, at(100), kMost), (ReadaheadWindow{84, 32, 8}));
  EXPECT_EQ(async_readahead(state, Pgoff(108), kMost, none), (ReadaheadWindow{116, 32, 32}));
  // Windows end where larger pages would.
  EXPECT_EQ(async_readahead(state, Pgoff(116), kMost, none), (ReadaheadWindow{148, 28, 28}));
  EXPECT_EQ(async_readahead(state, Pgoff(148), 0, none), ReadaheadWindow{});
}

TEST(Readahead, AnotherMarkGoesOnBehindWhatIsThere) {
  ReadaheadState state{.start = 0, .size = 4, .async_size = 2};
  std::uint64_t asked = 0;
  const auto miss = [&](Pgoff from, std::uint64_t most) {
    asked = from.raw();
    return from + std::min<std::uint64_t>(most, 5);
  };
  EXPECT_EQ(async_readahead(state, Pgoff(50), kMost, miss), (ReadaheadWindow{56, 32, 32}));
  EXPECT_EQ(asked, 51u);
  const auto nothing = [](Pgoff from, std::uint64_t most) { return from + most; };
  EXPECT_EQ(async_readahead(state, Pgoff(500), kMost, nothing), ReadaheadWindow{});
}

// A regular file of which nothing is in memory.
struct ColdFile : testing::Test {
  GuestMemory g{16ULL << 20};
  TestFile* raw = nullptr;
  std::shared_ptr<FileMapping> m;
  void make(std::uint64_t pages) {
    auto f = std::make_unique<TestFile>(FileId{1, 1}, FileKind::kRegular, std::string(pages * kPageSize, 'x'));
    raw = f.get();
    for (std::uint64_t i = 0; i < pages; ++i) raw->cold.insert(i);
    raw->tells = true;
    raw->readahead = kMost;
    m = g.cache.open(std::move(f));
  }
  std::vector<std::uint64_t> marks(std::uint64_t pages) const {
    std::vector<std::uint64_t> found;
    for (std::uint64_t i = 0; i < pages; ++i)
      if (m->marked(Pgoff(i))) found.push_back(i);
    return found;
  }
};

using Advised = std::vector<std::pair<std::uint64_t, std::uint64_t>>;
using Marks = std::vector<std::uint64_t>;

TEST_F(ColdFile, ReadsAroundAMissAndNoFurtherThanItsEnd) {
  make(110);
  const auto page = m->fetch(at(100));
  ASSERT_TRUE(page);
  EXPECT_TRUE(page->major);
  EXPECT_EQ(raw->advised, (Advised{{84, 26}}));
  EXPECT_EQ(marks(110), Marks{108});
  EXPECT_FALSE(m->fetch(at(101))->major);
  EXPECT_FALSE(m->fetch(at(84))->waited);
  // A page that is nowhere near is read alone for those who read at random.
  EXPECT_TRUE(m->fetch(Pgoff(3))->major);
  EXPECT_EQ(raw->advised.size(), 1u);
}

TEST_F(ColdFile, AMarkReadsTheNextWindowOnce) {
  make(200);
  ASSERT_TRUE(m->fetch(at(100)));
  EXPECT_FALSE(m->fetch(Pgoff(108))->waited);  // at random
  const auto marked = m->fetch(at(108));
  EXPECT_TRUE(marked->waited);
  EXPECT_FALSE(marked->major);
  EXPECT_EQ(raw->advised, (Advised{{84, 32}, {116, 32}}));
  EXPECT_EQ(marks(200), Marks{116});
  EXPECT_FALSE(m->fetch(at(108))->waited);
  m->truncate(100 * kPageSize);
  EXPECT_EQ(marks(200), Marks{});
}

// What is read behind a page that was there has its mark counted from the end of the file.
TEST_F(ColdFile, AMarkIsCountedFromTheEndBehindAGap) {
  make(30);
  raw->cold.erase(2);
  ASSERT_TRUE(m->fetch(at(1)));
  EXPECT_EQ(marks(30), Marks{22});
}

TEST_F(ColdFile, AMarkOfAnotherStreamGoesOnBehindIt) {
  make(300);
  ASSERT_TRUE(m->fetch(at(100)));
  ASSERT_TRUE(m->fetch(at(200)));
  EXPECT_EQ(marks(300), (Marks{108, 208}));
  EXPECT_TRUE(m->fetch(at(108))->waited);
  // From the mark to the first page that is missing, 116, and as much again.
  EXPECT_EQ(raw->advised.back(), (std::pair<std::uint64_t, std::uint64_t>{116, 32}));
}

TEST_F(ColdFile, APageThatIsUnderWayIsWaitedForAndNothingIsReadAhead) {
  make(30);
  raw->cold.erase(7);
  raw->begun = {7};
  const auto page = m->fetch(at(7));
  EXPECT_TRUE(page->waited);
  EXPECT_FALSE(page->major);
  EXPECT_TRUE(raw->advised.empty());
}

TEST_F(ColdFile, WhoDoesNotTellIsNotReadAhead) {
  make(30);
  raw->tells = false;
  EXPECT_TRUE(m->fetch(at(7))->major);
  EXPECT_TRUE(raw->advised.empty());
}

}  // namespace
}  // namespace faultline::mmu
