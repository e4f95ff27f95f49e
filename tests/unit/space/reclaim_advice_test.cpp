// MADV_FREE, COLD, PAGEOUT as a host without swap shows them.
#include "tests/unit/space/fixture.hpp"

namespace faultline::mmu {
namespace {

using testing::errno_of;

constexpr int kDroppable = 0x08 | MAP_ANONYMOUS;

class ReclaimAdvice : public testing::SpaceTest {
 protected:
  int advise(std::uint64_t n, std::uint64_t pages, int advice) {
    const auto result = do_madvise(*mm, page(n), pages * kPageSize, advice);
    check();
    return errno_of(result);
  }
  // What the CPU does when it writes through a writable entry.
  void cpu_writes(std::uint64_t n) {
    const PteSlot slot = mm->tables().find(Gva(page(n)));
    const std::uint64_t raw = slot.load().with(Pte::kDirty | Pte::kAccessed).raw();
    std::memcpy(world.frames.memory().at(slot.address()), &raw, sizeof raw);
  }
  Frame& frame(std::uint64_t n) { return world.frames.at(entry_at(page(n)).frame()); }
};

TEST_F(ReclaimAdvice, FreedPagesVanishUnlessWritten) {
  map_at(page(0), 3);
  for (const std::uint64_t n : {0U, 1U, 2U}) write_at(page(n));
  EXPECT_EQ(advise(0, 2, MADV_FREE), 0);
  EXPECT_TRUE(frame(0).lazy_free);
  EXPECT_FALSE(entry_at(page(0)).dirty());
  EXPECT_FALSE(frame(2).lazy_free);
  cpu_writes(1);  // cancels, without a fault
  EXPECT_EQ(advise(0, 3, MADV_PAGEOUT), 0);
  EXPECT_TRUE(entry_at(page(0)).none());
  EXPECT_TRUE(entry_at(page(1)).present());
  EXPECT_FALSE(frame(1).lazy_free);
  EXPECT_TRUE(entry_at(page(2)).present());  // there is no swap
  EXPECT_FALSE(entry_at(page(2)).accessed());
  EXPECT_TRUE(frame(2).anon_exclusive);
  EXPECT_EQ(mm->rss.total(), 2U);
}

TEST_F(ReclaimAdvice, DroppablePagesVanishEvenWritten) {
  map_at(page(0), 1, kRw, kDroppable);
  write_at(page(0));
  EXPECT_EQ(advise(0, 1, MADV_PAGEOUT), 0);
  EXPECT_TRUE(entry_at(page(0)).none());
  const Vma& vma = *mm->vmas.lookup(Gva(page(0)));
  EXPECT_TRUE(vma.flags.has(VmFlags::kDroppable | VmFlags::kNoReserve | VmFlags::kWipeOnFork | VmFlags::kDontDump));
  EXPECT_FALSE(vma.flags.any(VmFlags::kAccount));
  EXPECT_EQ(advise(0, 1, MADV_KEEPONFORK), EINVAL);
  EXPECT_EQ(advise(0, 1, MADV_DODUMP), EINVAL);
  EXPECT_TRUE(do_mlock(*mm, page(0), kPageSize, false));  // says yes, locks nothing
  EXPECT_FALSE(mm->vmas.lookup(Gva(page(0)))->flags.any(VmFlags::kLocked));
  EXPECT_EQ(mm->locked_vm, 0U);
  become(LinuxBehaviour::of({6, 10}));
  EXPECT_EQ(errno_of(map(page(0), kPageSize, kRw, kDroppable | MAP_FIXED)), EINVAL);
}

TEST_F(ReclaimAdvice, CleanFilePagesLeaveTheCache) {
  const auto file = world.file(FileKind::kRegular, 3 * kPageSize);
  map_file_at(page(0), 3, file, kRw, MAP_SHARED);
  map_file_at(page(8), 1, file, PROT_READ, MAP_PRIVATE, 2);
  read_at(page(0));
  write_at(page(1));
  read_at(page(8));  // page 2 is mapped twice
  EXPECT_EQ(advise(0, 3, MADV_PAGEOUT), 0);
  EXPECT_TRUE(entry_at(page(0)).none());
  EXPECT_FALSE(file->find(Pgoff(0)));
  EXPECT_TRUE(entry_at(page(1)).none());
  ASSERT_TRUE(file->find(Pgoff(1)));  // dirty: waits for write-back
  EXPECT_TRUE(world.frames.at(*file->find(Pgoff(1))).dirty);
  EXPECT_TRUE(entry_at(page(2)).present());
  EXPECT_TRUE(file->find(Pgoff(2)));
}

TEST_F(ReclaimAdvice, SharedMemoryIsUnmappedAndKept) {
  const auto file = world.file(FileKind::kShmem, kPageSize);
  map_file_at(page(0), 1, file, kRw, MAP_SHARED);
  write_at(page(0));
  byte_at(page(0)) = std::byte{42};
  EXPECT_EQ(advise(0, 1, MADV_PAGEOUT), 0);
  EXPECT_TRUE(entry_at(page(0)).none());
  EXPECT_EQ(mm->rss.total(), 0U);
  read_at(page(0));
  EXPECT_EQ(byte_at(page(0)), std::byte{42});
}

TEST_F(ReclaimAdvice, ColdPagesCountAsUnused) {
  map_at(page(0), 1);
  write_at(page(0));
  EXPECT_EQ(advise(0, 1, MADV_COLD), 0);
  EXPECT_FALSE(entry_at(page(0)).accessed());
  EXPECT_TRUE(entry_at(page(0)).dirty());
}

TEST_F(ReclaimAdvice, WholeTablesGoWithTheirPages) {
  constexpr std::uint64_t kTable = 512;
  map_at(page(0), 3 * kTable);
  for (std::uint64_t n = 0; n < 3 * kTable; n += kTable) write_at(page(n));
  const std::uint64_t tables = mm->tables().tables();
  EXPECT_EQ(advise(1, 3 * kTable - 1, MADV_DONTNEED), 0);  // the first one is not spanned whole
  EXPECT_EQ(mm->tables().tables(), tables - 2);
  EXPECT_EQ(advise(0, kTable, 102), 0);  // guards keep their table
  EXPECT_EQ(advise(0, kTable, MADV_DONTNEED), 0);
  EXPECT_EQ(mm->tables().tables(), tables - 2);
  EXPECT_FALSE(world.sink.freed_before_flush);
  become(LinuxBehaviour::of({6, 13}));
  map_at(page(0), kTable);
  write_at(page(0));
  const std::uint64_t before = mm->tables().tables();
  EXPECT_EQ(advise(0, kTable, MADV_DONTNEED), 0);
  EXPECT_EQ(mm->tables().tables(), before);
}

TEST_F(ReclaimAdvice, CollapseSaysWhetherItWould) {
  map_at(page(0), 64);
  EXPECT_EQ(advise(0, 64, 25), EINVAL);  // too small
  map_at(page(512), 1024);
  EXPECT_EQ(advise(512, 512, 25), EINVAL);  // nothing there
  EXPECT_EQ(advise(513, 510, 25), 0);       // no whole 2 MiB asked for
  write_at(page(512));
  EXPECT_EQ(advise(512, 512, 25), 0);
  EXPECT_EQ(advise(512, 1024, MADV_NOHUGEPAGE), 0);
  EXPECT_EQ(advise(512, 512, 25), EINVAL);
}

TEST_F(ReclaimAdvice, OlderLinuxKnowsLess) {
  const auto known_to = [&](LinuxVersion version, int advice) {
    become(LinuxBehaviour::of(version));
    map_at(page(0), 1);
    return advise(0, 1, advice) == 0;
  };
  EXPECT_TRUE(known_to({5, 4}, MADV_PAGEOUT));
  EXPECT_FALSE(known_to({5, 3}, MADV_PAGEOUT));
  EXPECT_TRUE(known_to({5, 14}, 22));
  EXPECT_FALSE(known_to({5, 13}, 22));
  EXPECT_TRUE(known_to({5, 18}, 24));
  EXPECT_FALSE(known_to({5, 17}, 24));
  EXPECT_TRUE(known_to({4, 14}, MADV_WIPEONFORK));
  EXPECT_FALSE(known_to({4, 13}, MADV_WIPEONFORK));
  EXPECT_TRUE(process_madvise_allows(*mm, MADV_COLD));
  EXPECT_FALSE(process_madvise_allows(*mm, MADV_DONTNEED));
}

}  // namespace
}  // namespace faultline::mmu
