// The figures of smaps and pagemap from tables and frames that a test made itself.
#include "mmu/space/page_stats.hpp"

#include "mmu/arch/swap_entry.hpp"
#include "mmu/space/fork.hpp"
#include "mmu/space/slots.hpp"
#include "mmu/space/uaccess.hpp"
#include "tests/unit/space/fixture.hpp"

namespace faultline::mmu::testing {
namespace {

class PageStatsTest : public SpaceTest {
 protected:
  const Vma& map(std::uint64_t pages, int flags, std::shared_ptr<FileMapping> file = nullptr, int prot = kRw) {
    const auto at = do_mmap(*mm, {.address = kBase,
                                  .length = pages * kPageSize,
                                  .prot = prot,
                                  .flags = flags | MAP_FIXED,
                                  .file = std::move(file)});
    EXPECT_TRUE(at);
    return *mm->vmas.lookup(Gva(kBase));
  }
  void touch(std::uint64_t page, bool write, AddressSpace* space = nullptr) {
    AddressSpace& of = space != nullptr ? *space : *mm;
    const Gva at(kBase + page * kPageSize);
    std::byte byte{1};
    const auto one = std::span(&byte, 1);
    ASSERT_EQ(write ? copy_to_user(of, at, one) : copy_from_user(of, one, at), 0u);
  }
  PageView view(std::uint64_t page) {
    const PteSlot slot = mm->tables().find(Gva(kBase + page * kPageSize));
    return slot.valid() ? view_page(*mm, slot.load()) : PageView{};
  }
};

constexpr std::uint64_t kPss = std::uint64_t{1} << PageStats::kPssShift;

TEST_F(PageStatsTest, TheZeroPageIsThereAndCountsForNothing) {
  const Vma& vma = map(8, kAnon);
  EXPECT_EQ(gather_page_stats(*mm, vma), PageStats{});
  touch(1, false);
  EXPECT_TRUE(view(1).present);
  EXPECT_TRUE(view(1).zero_page);
  EXPECT_FALSE(view(1).counted);
  EXPECT_EQ(gather_page_stats(*mm, vma), PageStats{});
  EXPECT_FALSE(view(2).present);
}

TEST_F(PageStatsTest, AnonymousPagesArePrivateAndDirty) {
  const Vma& vma = map(8, kAnon);
  touch(1, true);
  touch(2, true);
  const PageStats s = gather_page_stats(*mm, vma);
  EXPECT_EQ(s.resident, 2 * kPageSize);
  EXPECT_EQ(s.anonymous, 2 * kPageSize);
  EXPECT_EQ(s.private_dirty, 2 * kPageSize);
  EXPECT_EQ(s.pss, 2 * kPageSize * kPss);
  EXPECT_EQ(s.pss_anon, s.pss);
  EXPECT_EQ(s.pss_dirty, s.pss);
  EXPECT_EQ(s.pss_locked, 0u);
  EXPECT_EQ(view(1).mapcount, 1u);
}

TEST_F(PageStatsTest, PagesOfAForkAreShared) {
  const Vma& vma = map(8, kAnon);
  touch(0, true);
  touch(1, true);
  auto child = fork_address_space(*mm);
  ASSERT_TRUE(child);
  PageStats s = gather_page_stats(*mm, vma);
  EXPECT_EQ(s.pss, 2 * kPageSize * kPss / 2);
  EXPECT_EQ(s.shared_dirty, 2 * kPageSize);
  touch(0, true, child->get());
  s = gather_page_stats(*mm, vma);
  EXPECT_EQ(s.pss, kPageSize * kPss * 3 / 2);
  EXPECT_EQ(s.private_dirty, kPageSize);
  EXPECT_EQ(s.shared_dirty, kPageSize);
}

TEST_F(PageStatsTest, FilesAndSharedMemoryAreToldApart) {
  const Vma& regular = map(4, MAP_PRIVATE, world.file(FileKind::kRegular, 4 * kPageSize));
  touch(0, false);
  PageStats s = gather_page_stats(*mm, regular);
  EXPECT_GE(s.resident, kPageSize);
  EXPECT_EQ(s.pss_file, s.pss);
  EXPECT_EQ(s.private_clean, s.resident);
  EXPECT_TRUE(view(0).file);
  touch(0, true);
  s = gather_page_stats(*mm, regular);
  EXPECT_EQ(s.anonymous, kPageSize);
  EXPECT_FALSE(view(0).file);

  const Vma& shmem = map(4, MAP_SHARED | MAP_ANONYMOUS);
  touch(0, false);
  touch(1, true);
  s = gather_page_stats(*mm, shmem);
  EXPECT_EQ(s.pss_shmem, 2 * kPageSize * kPss);
  EXPECT_EQ(s.private_clean, kPageSize);
  EXPECT_EQ(s.private_dirty, kPageSize);
}

TEST_F(PageStatsTest, NoAccessIsStillPresent) {
  const Vma& vma = map(2, kAnon);
  touch(0, true);
  ASSERT_TRUE(do_mprotect(*mm, kBase, 2 * kPageSize, PROT_NONE));
  EXPECT_TRUE(view(0).present);
  EXPECT_EQ(gather_page_stats(*mm, vma).resident, kPageSize);
}

TEST_F(PageStatsTest, EntriesThatAreNotPresent) {
  map(2, kAnon);
  EXPECT_TRUE(view_page(*mm, kGuardEntry).guard);
  EXPECT_TRUE(view_page(*mm, kGuardEntry).swapped);
  EXPECT_FALSE(view_page(*mm, kGuardEntry).on_swap);
  const PageView swapped = view_page(*mm, SwapEntry(2, 77).pte());
  EXPECT_TRUE(swapped.on_swap);
  EXPECT_FALSE(swapped.guard);
  EXPECT_EQ(swapped.swap, 2u | 77u << 5);
  EXPECT_FALSE(view_page(*mm, Pte()).swapped);
}

TEST_F(PageStatsTest, ReferencesAreClearedByKindAndInvalidated) {
  const Vma& vma = map(4, kAnon);
  touch(0, true);
  ASSERT_TRUE(view(0).accessed);
  const std::size_t flushes = world.sink.batches.size();
  clear_references(*mm, ClearRefs::kMapped);
  EXPECT_TRUE(view(0).accessed);
  EXPECT_EQ(world.sink.batches.size(), flushes);
  clear_references(*mm, ClearRefs::kAnonymous);
  EXPECT_FALSE(view(0).accessed);
  EXPECT_GT(world.sink.batches.size(), flushes);
  EXPECT_EQ(gather_page_stats(*mm, vma).referenced, 0u);
  touch(0, true);
  EXPECT_EQ(gather_page_stats(*mm, vma).referenced, kPageSize);
}

TEST_F(PageStatsTest, LockedPagesCountTheirShare) {
  map(2, kAnon);
  ASSERT_TRUE(do_mlock(*mm, kBase, 2 * kPageSize, false));
  EXPECT_EQ(gather_page_stats(*mm, *mm->vmas.lookup(Gva(kBase))).pss_locked, 2 * kPageSize * kPss);
}

}  // namespace
}  // namespace faultline::mmu::testing
