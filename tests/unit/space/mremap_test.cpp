#include "tests/unit/space/fixture.hpp"

namespace faultline::mmu {
namespace {

using testing::errno_of;
constexpr int kDontUnmap = 4;

class Mremap : public testing::SpaceTest {
 protected:
  SysResult<Gva> remap(std::uint64_t from, std::uint64_t old_pages, std::uint64_t new_pages, int flags,
                       std::uint64_t to = 0) {
    const auto result = do_mremap(*mm, from, old_pages * kPageSize, new_pages * kPageSize, flags, to);
    check();
    return result;
  }
  bool has_table(std::uint64_t address) const { return mm->tables().find(Gva(address)).valid(); }
  void fill(std::uint64_t address, std::uint64_t pages) {
    for (std::uint64_t i = 0; i < pages; ++i) {
      write_at(address + i * kPageSize);
      byte_at(address + i * kPageSize) = static_cast<std::byte>(i + 1);
    }
  }
  void expect_filled(std::uint64_t address, std::uint64_t pages) {
    for (std::uint64_t i = 0; i < pages; ++i) {
      ASSERT_TRUE(entry_at(address + i * kPageSize).writable()) << i;
      EXPECT_EQ(byte_at(address + i * kPageSize), static_cast<std::byte>(i + 1));
    }
  }
};

TEST_F(Mremap, MoveTakesTheFramesAlongWithoutFaults) {
  map_at(page(0), 4);
  fill(page(0), 4);
  const Gfn frame = entry_at(page(2)).frame();
  const std::uint64_t faults = mm->counters.vm_faults;
  // Into another page table.
  ASSERT_EQ(remap(page(0), 4, 4, MREMAP_MAYMOVE | MREMAP_FIXED, page(5000)), Gva(page(5000)));
  EXPECT_EQ(layout(), "5000-5004 rw-p");
  expect_filled(page(5000), 4);
  EXPECT_EQ(entry_at(page(5002)).frame(), frame);
  EXPECT_EQ(mm->counters.vm_faults, faults);
  EXPECT_TRUE(entry_at(page(0)).none());
}

TEST_F(Mremap, PageOffsetFollowsTheAddressOnlyWhileUntouched) {
  map_at(page(0), 1);
  ASSERT_TRUE(remap(page(0), 1, 1, MREMAP_MAYMOVE | MREMAP_FIXED, page(10)));
  EXPECT_EQ(mm->vmas.lookup(Gva(page(10)))->pgoff.raw(), page(10) >> kPageShift);
  write_at(page(10));
  ASSERT_TRUE(remap(page(10), 1, 1, MREMAP_MAYMOVE | MREMAP_FIXED, page(20)));
  EXPECT_EQ(mm->vmas.lookup(Gva(page(20)))->pgoff.raw(), page(10) >> kPageShift);
  // So a new neighbour does not join it.
  map_at(page(21), 1);
  EXPECT_EQ(layout(), "20-21 rw-p 21-22 rw-p");
}

TEST_F(Mremap, GrowsInPlaceAndMeetsItsNeighbour) {
  map_at(page(0), 2);
  map_at(page(4), 1);
  ASSERT_EQ(remap(page(0), 2, 4, 0), Gva(page(0)));
  EXPECT_EQ(layout(), "0-5 rw-p");
  EXPECT_EQ(errno_of(remap(page(0), 2, 3, 0)), ENOMEM);
}

TEST_F(Mremap, ShrinkUnmapsTheTail) {
  map_at(page(0), 4);
  fill(page(0), 4);
  ASSERT_EQ(remap(page(0), 4, 1, 0), Gva(page(0)));
  EXPECT_EQ(layout(), "0-1 rw-p");
  EXPECT_EQ(mm->rss.total(), 1U);
}

TEST_F(Mremap, MovesWhenThereIsNoRoom) {
  mm->mmap_base = Gva(page(100));
  map_at(page(0), 2);
  map_at(page(2), 1, PROT_READ);
  fill(page(0), 2);
  ASSERT_EQ(remap(page(0), 2, 3, MREMAP_MAYMOVE), Gva(page(97)));
  EXPECT_EQ(layout(), "2-3 r--p 97-100 rw-p");
  expect_filled(page(97), 2);
}

// Untouched areas have the offset of their address, so the copy next to its source joins it.
TEST_F(Mremap, DontunmapBesideItsSourceMovesOnce) {
  map_at(page(0), 2);
  read_at(page(0));
  read_at(page(1));
  ASSERT_EQ(remap(page(0), 2, 2, MREMAP_MAYMOVE | MREMAP_FIXED | kDontUnmap, page(2)), Gva(page(2)));
  EXPECT_EQ(layout(), "0-4 rw-p");
  EXPECT_TRUE(entry_at(page(0)).none());
  EXPECT_TRUE(entry_at(page(2)).present());
  EXPECT_TRUE(entry_at(page(3)).present());
}

TEST_F(Mremap, DontunmapLeavesTheSourceEmpty) {
  map_at(page(0), 2);
  fill(page(0), 2);
  ASSERT_EQ(remap(page(0), 2, 2, MREMAP_MAYMOVE | MREMAP_FIXED | kDontUnmap, page(8)), Gva(page(8)));
  EXPECT_EQ(layout(), "0-2 rw-p 8-10 rw-p");
  expect_filled(page(8), 2);
  EXPECT_TRUE(entry_at(page(0)).none());
  write_at(page(0));
  EXPECT_EQ(byte_at(page(0)), std::byte{0});
}

TEST_F(Mremap, SeveralVmasKeepTheirGaps) {
  map_at(page(0), 2);
  map_at(page(3), 1, PROT_READ);
  fill(page(0), 2);
  ASSERT_EQ(remap(page(0), 4, 4, MREMAP_MAYMOVE | MREMAP_FIXED, page(10)), Gva(page(10)));
  EXPECT_EQ(layout(), "10-12 rw-p 13-14 r--p");
  expect_filled(page(10), 2);
}

TEST_F(Mremap, LengthZeroDuplicatesASharedMapping) {
  map_at(page(0), 2, kRw, MAP_SHARED | MAP_ANONYMOUS);
  write_at(page(1));
  ASSERT_EQ(remap(page(0), 0, 2, MREMAP_MAYMOVE | MREMAP_FIXED, page(6)), Gva(page(6)));
  write_at(page(7));
  EXPECT_EQ(entry_at(page(7)).frame(), entry_at(page(1)).frame());
  EXPECT_EQ(errno_of(remap(page(0), 0, 2, 0)), ENOMEM);
}

TEST_F(Mremap, ProtNoneAndZeroPagesMoveToo) {
  map_at(page(0), 2);
  write_at(page(0));
  read_at(page(1));
  ASSERT_TRUE(do_mprotect(*mm, page(0), 2 * kPageSize, PROT_NONE));
  ASSERT_TRUE(remap(page(0), 2, 2, MREMAP_MAYMOVE | MREMAP_FIXED, page(600)));
  EXPECT_EQ(entry_at(page(600)).kind(1), PteKind::kProtNone);
  EXPECT_TRUE(entry_at(page(601)).special());
}

// The tables for the new place fail one by one: everything is as before, and the call fails.
TEST_F(Mremap, WithoutTablesEverythingGoesBack) {
  map_at(page(0), 1024);
  fill(page(0), 3);
  write_at(page(700));
  const std::uint64_t used = world.frames.used_frames();
  // Two page tables and the level above at the new place, in another gigabyte.
  constexpr std::uint64_t kFar = 1ULL << 31;
  for (std::uint64_t nth = 1; nth <= 3; ++nth) {
    world.frames.fail_nth(nth);
    EXPECT_EQ(errno_of(remap(page(0), 1024, 1024, MREMAP_MAYMOVE | MREMAP_FIXED, kBase + kFar)), ENOMEM) << nth;
    EXPECT_EQ(layout(), "0-1024 rw-p");
    expect_filled(page(0), 3);
    EXPECT_EQ(world.frames.used_frames(), used);
  }
  world.frames.fail_nth(0);
  ASSERT_TRUE(remap(page(0), 1024, 1024, MREMAP_MAYMOVE | MREMAP_FIXED, kBase + kFar));
  expect_filled(kBase + kFar, 3);
}

// Linux makes the table where pages shall go before it looks for pages.
TEST_F(Mremap, TablesAreMadeForNoPages) {
  map_at(page(0), 2);
  ASSERT_TRUE(remap(page(0), 2, 2, MREMAP_MAYMOVE | MREMAP_FIXED, page(5000)));
  EXPECT_FALSE(has_table(page(5000)));  // as there was none before
  write_at(page(5000));
  ASSERT_TRUE(do_madvise(*mm, page(5000), 2 * kPageSize, MADV_DONTNEED));
  ASSERT_TRUE(remap(page(5000), 2, 2, MREMAP_MAYMOVE | MREMAP_FIXED, page(0)));
  EXPECT_TRUE(has_table(page(0)));
  EXPECT_FALSE(has_table(page(5000)));
}

TEST_F(Mremap, AWholeTableIsGoneFromTheSource) {
  map_at(page(0), 1024);
  write_at(page(0));
  write_at(page(600));
  const std::uint64_t tables = mm->tables().tables();
  ASSERT_TRUE(remap(page(0), 600, 600, MREMAP_MAYMOVE | MREMAP_FIXED | kDontUnmap, page(1024)));
  EXPECT_FALSE(has_table(page(0)));
  EXPECT_TRUE(has_table(page(512)));
  EXPECT_TRUE(has_table(page(1024)) && has_table(page(1536)));
  EXPECT_EQ(mm->tables().tables(), tables + 1);
  EXPECT_TRUE(entry_at(page(1024)).writable());
}

// What reaches the end of a table, with nothing mapped before it, goes as a whole table would.
TEST_F(Mremap, WhatIsAloneInATableTakesItAlong) {
  for (const bool alone : {true, false}) {
    if (!alone) map_at(page(500), 1, PROT_READ);
    map_at(page(508), 8);
    write_at(page(508));
    write_at(page(512));
    ASSERT_TRUE(remap(page(508), 8, 8, MREMAP_MAYMOVE | MREMAP_FIXED | kDontUnmap, page(2048 + 508)));
    EXPECT_EQ(has_table(page(508)), !alone);
    EXPECT_TRUE(has_table(page(512)));
    EXPECT_TRUE(entry_at(page(2048 + 508)).writable());
    EXPECT_TRUE(entry_at(page(2048 + 512)).writable());
    ASSERT_TRUE(do_munmap(*mm, page(0), 4096 * kPageSize));
  }
}

// A gigabyte: the table above goes too, with those below that have no pages any more.
TEST_F(Mremap, AWholeDirectoryIsGoneFromTheSource) {
  constexpr std::uint64_t kPages = 1ULL << 18;
  map_at(page(0), kPages);
  write_at(page(0));
  write_at(page(512));
  ASSERT_TRUE(do_madvise(*mm, page(512), kPageSize, MADV_DONTNEED));
  const std::uint64_t tables = mm->tables().tables();
  ASSERT_TRUE(remap(page(0), kPages, kPages, MREMAP_MAYMOVE | MREMAP_FIXED | kDontUnmap, page(2 * kPages)));
  EXPECT_EQ(mm->tables().tables(), tables);
  EXPECT_FALSE(has_table(page(0)) || has_table(page(512)));
  EXPECT_TRUE(has_table(page(2 * kPages)) && has_table(page(2 * kPages + 512)));
  // Into a gigabyte that has tables already, and back when there are not enough.
  write_at(page(0));
  ASSERT_TRUE(remap(page(2 * kPages), kPages, kPages, MREMAP_MAYMOVE | MREMAP_FIXED, page(4 * kPages)));
  EXPECT_TRUE(has_table(page(4 * kPages + 512)));
  const std::uint64_t before = mm->tables().tables();
  for (std::uint64_t nth = 1; nth <= 3; ++nth) {
    world.frames.fail_nth(nth);
    EXPECT_EQ(errno_of(remap(page(4 * kPages), kPages, kPages, MREMAP_MAYMOVE | MREMAP_FIXED, page(6 * kPages))),
              ENOMEM);
    EXPECT_EQ(mm->tables().tables(), before);
    EXPECT_TRUE(entry_at(page(4 * kPages)).writable());
  }
  world.frames.fail_nth(0);
}

TEST_F(Mremap, OlderLinuxMovesOneAreaAtATime) {
  constexpr int kTo = MREMAP_MAYMOVE | MREMAP_FIXED;
  become(LinuxBehaviour::of({6, 16}));
  map_at(page(0), 1);
  map_at(page(1), 1, PROT_READ);
  EXPECT_EQ(errno_of(do_mremap(*mm, page(0), 2 * kPageSize, 2 * kPageSize, kTo, page(10))), EFAULT);
  EXPECT_EQ(errno_of(do_mremap(*mm, page(0), kPageSize, kPageSize, kTo, page(10))), 0);
  check();
  become({});
  map_at(page(0), 1);
  map_at(page(1), 1, PROT_READ);
  EXPECT_EQ(errno_of(do_mremap(*mm, page(0), 2 * kPageSize, 2 * kPageSize, kTo, page(10))), 0);
  EXPECT_EQ(layout(), "10-11 rw-p 11-12 r--p");
}

TEST_F(Mremap, OlderLinuxLeavesNothingBehind) {
  constexpr int kKeep = MREMAP_MAYMOVE | 4;  // MREMAP_DONTUNMAP
  const auto keep = [&](LinuxVersion version, bool shared) {
    become(LinuxBehaviour::of(version));
    map_at(page(0), 1, kRw, shared ? MAP_SHARED | MAP_ANONYMOUS : kAnon);
    return errno_of(do_mremap(*mm, page(0), kPageSize, kPageSize, kKeep, 0));
  };
  EXPECT_EQ(keep({5, 13}, true), 0);
  EXPECT_EQ(keep({5, 12}, true), EINVAL);
  EXPECT_EQ(keep({5, 12}, false), 0);
  EXPECT_EQ(keep({5, 7}, false), 0);
  EXPECT_EQ(keep({5, 6}, false), EINVAL);
}

}  // namespace
}  // namespace faultline::mmu
