// Row 7.3: every teardown is bracketed by its exact range, and the flush lies inside.
#include "mmu/space/notify.hpp"

#include "mmu/space/zap.hpp"
#include "tests/unit/space/fixture.hpp"

namespace faultline::mmu {
namespace {

class Notify : public testing::SpaceTest, public MmuNotifier {
 protected:
  void SetUp() override {
    SpaceTest::SetUp();
    mm->notifier = this;
  }
  void TearDown() override {
    mm->notifier = nullptr;
    SpaceTest::TearDown();
  }
  static const char* text(NotifierEvent event) {
    switch (event) {
      case NotifierEvent::kUnmap: return "unmap";
      case NotifierEvent::kClear: return "clear";
      case NotifierEvent::kProtectionVma: return "protect";
      case NotifierEvent::kProtectionPage: return "clean";
    }
    return "?";
  }
  void range_start(const AddressSpace&, NotifierEvent event, Gva start, Gva end) override {
    ++open;
    flushes_at_start = world.sink.batches.size();
    log += std::string(log.empty() ? "" : ", ") + text(event) + ' ' + std::to_string((start.raw() - kBase) >> 12) +
           '-' + std::to_string((end.raw() - kBase) >> 12);
  }
  void range_end(const AddressSpace&, NotifierEvent, Gva, Gva) override {
    --open;
    if (world.sink.batches.size() > flushes_at_start) log += '!';  // flushed before the end
  }
  std::string take() {
    EXPECT_EQ(open, 0);
    return std::exchange(log, "");
  }
  std::string log;
  std::size_t flushes_at_start = 0;
  int open = 0;
};

TEST_F(Notify, ExactRanges) {
  map_at(page(0), 8);
  for (std::uint64_t n = 0; n < 8; ++n) write_at(page(n));
  EXPECT_EQ(take(), "");
  ASSERT_TRUE(do_madvise(*mm, page(1), 2 * kPageSize, MADV_DONTNEED));
  EXPECT_EQ(take(), "clear 1-3!");
  ASSERT_TRUE(do_madvise(*mm, page(3), kPageSize, MADV_FREE));
  EXPECT_EQ(take(), "clear 3-4!");
  ASSERT_TRUE(do_mprotect(*mm, page(4), kPageSize, PROT_READ));
  EXPECT_EQ(take(), "protect 4-5!");
  ASSERT_TRUE(do_munmap(*mm, page(4), 2 * kPageSize));
  EXPECT_EQ(take(), "unmap 4-6!");
  ASSERT_TRUE(do_mremap(*mm, page(6), 2 * kPageSize, 2 * kPageSize, MREMAP_MAYMOVE | MREMAP_FIXED, page(20)));
  // The entries go first, the source, which is empty then, follows.
  EXPECT_EQ(take(), "unmap 6-8!, unmap 6-8");
  ASSERT_TRUE(do_madvise(*mm, page(20), kPageSize, 102));
  EXPECT_EQ(take(), "clear 20-21!");
  // A range that holds nothing is still announced.
  ASSERT_TRUE(do_madvise(*mm, page(1), kPageSize, MADV_DONTNEED));
  EXPECT_EQ(take(), "clear 1-2");
}

TEST_F(Notify, CopyOnWriteAndFiles) {
  const auto file = world.file(FileKind::kRegular, 4 * kPageSize);
  map_file_at(page(0), 4, file, kRw, MAP_SHARED);
  map_file_at(page(8), 2, file, kRw, MAP_PRIVATE, 1);
  write_at(page(1));
  read_at(page(8));
  EXPECT_EQ(take(), "");
  write_at(page(8));
  EXPECT_EQ(take(), "clear 8-9!");
  ASSERT_TRUE(do_msync(*mm, page(1), kPageSize, MS_SYNC));
  EXPECT_NE(take().find("clean 1-2!"), std::string::npos);
  unmap_file_range(*file, Pgoff(1), Pgoff(1), PrivateCopies::kZapToo);
  const std::string both = take();
  EXPECT_NE(both.find("clear 1-2!"), std::string::npos) << both;
  EXPECT_NE(both.find("clear 8-9!"), std::string::npos) << both;
}

}  // namespace
}  // namespace faultline::mmu
