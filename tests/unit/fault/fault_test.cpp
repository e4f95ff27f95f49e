#include "mmu/fault/fault.hpp"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include "mmu/fault/access.hpp"
#include "mmu/pgtable/editor.hpp"
#include "mmu/space/operations.hpp"
#include "mmu/space/uaccess.hpp"
#include "mmu/space/zap.hpp"
#include "tests/unit/support/fault_fixture.hpp"

namespace faultline::mmu {
namespace {

using test::GuestMemory;
using test::TestFile;

INSTANTIATE_TEST_SUITE_P(EveryMode, FaultTest, testing::ValuesIn(kPagingModes), test::mode_name);

constexpr std::uint32_t kRead = 4, kWrite = 6, kFetch = 0x14, kWriteProt = 7;

TEST_P(FaultTest, AnonymousReadMapsTheSharedZeroPage) {
  add(kBase, 8, kRwFlags);
  const FaultOutcome o = fault(kBase + 5, kRead);
  EXPECT_TRUE(o.resolved());
  EXPECT_EQ(o.path.decided_by(), FaultStep::kAnonymousZero);
  EXPECT_EQ(entry(kBase).frame(), g.zero);
  EXPECT_EQ(entry(kBase).raw() & 0xfff, Pte::kPresent | Pte::kUser | Pte::kAccessed | Pte::kSpecial);
  EXPECT_TRUE(entry(kBase).no_execute());
  EXPECT_EQ(mm->rss.total(), 0u);  // the zero page is nobody's memory
  EXPECT_EQ(mm->counters.minor, 1u);
  // The write that follows copies: a second fault, as on Linux.
  const FaultOutcome w = fault(kBase + 5, kWriteProt);
  EXPECT_EQ(w.path.decided_by(), FaultStep::kCopy);
  EXPECT_NE(entry(kBase).frame(), g.zero);
  EXPECT_EQ(mm->rss.total(), 1u);
  EXPECT_EQ(mm->counters.minor, 2u);
  EXPECT_EQ(w.tlb, TlbAction::kFrameDrop);  // the zero page's translation was live
}

TEST_P(FaultTest, AnonymousWriteMapsAZeroedPageYoungAndDirty) {
  add(kBase, 8, kRwFlags);
  const FaultOutcome o = fault(kBase + kPageSize, kWrite);
  EXPECT_EQ(o.path.decided_by(), FaultStep::kAnonymousPage);
  EXPECT_EQ(entry(kBase + kPageSize).raw() & 0xfff, 0x067u);
  EXPECT_TRUE(entry(kBase + kPageSize).no_execute());
  EXPECT_EQ(o.tlb, TlbAction::kNone);
  const Frame& f = g.frames.at(entry(kBase + kPageSize).frame());
  EXPECT_EQ(f.kind, FrameKind::kAnon);
  EXPECT_TRUE(f.anon_exclusive);
  EXPECT_EQ(f.mapcount, 1);
  EXPECT_EQ(f.refcount, 1);
  EXPECT_EQ(observer.decisions, 1);
  EXPECT_EQ(observer.log.total_edits(), levels(GetParam()));  // the tables and the leaf
}

TEST_P(FaultTest, AccessErrorsByErrorCode) {
  struct Row {
    std::uint32_t flags, error;
    bool is_error;
  };
  constexpr std::uint32_t kX = VmFlags::kExec;
  constexpr Row kRows[] = {
      {VmFlags::kRead, 4, false},
      {VmFlags::kRead, 6, true},
      {VmFlags::kRead, 7, true},
      {VmFlags::kRead, 0x14, false},  // a fetch of a readable page maps it first
      {VmFlags::kRead, 0x15, true},
      {VmFlags::kWrite, 4, false},
      {VmFlags::kWrite, 6, false},
      {kX, 4, false},
      {kX, 6, true},
      {0, 4, true},
      {0, 6, true},
      {0, 0x14, true},
      {VmFlags::kRead | VmFlags::kWrite, 5, true},
      {VmFlags::kRead | VmFlags::kWrite, 7, false},
      {VmFlags::kRead, 0x25, true},
      {VmFlags::kWrite, 0x27, true},
  };
  for (const Row& r : kRows)
    EXPECT_EQ(access_error(ErrorCode(r.error), VmFlags(r.flags)), r.is_error) << r.flags << ' ' << r.error;
}

TEST_P(FaultTest, FetchFromANonExecutablePageMapsItThenIsRefused) {
  add(kBase, 1, kRwFlags);
  EXPECT_TRUE(fault(kBase, kFetch).resolved());
  EXPECT_EQ(mm->counters.minor, 1u);
  const FaultOutcome o = fault(kBase, kFetch | 1);
  EXPECT_EQ(o.result, FaultResult::kSegvAccErr);
  EXPECT_EQ(o.path.decided_by(), FaultStep::kAccessError);
  EXPECT_EQ(mm->counters.minor, 1u);
}

TEST_P(FaultTest, NothingMappedIsMapErr) {
  add(kBase, 1, kRwFlags);
  for (const Gva at : {Gva(0), kBase - 1, kBase + kPageSize, mm->task_size() - 1}) {
    const FaultOutcome o = fault(at, kRead);
    EXPECT_EQ(o.result, FaultResult::kSegvMapErr);
    EXPECT_EQ(o.path.decided_by(), FaultStep::kNoVma);
    EXPECT_EQ(o.reported_error.raw(), kRead);
  }
  // A signal is counted by perf, by nobody else.
  EXPECT_EQ(mm->counters.perf_faults, 4u);
  EXPECT_EQ(mm->counters.minor + mm->counters.major + mm->counters.vm_faults, 0u);
}

TEST_P(FaultTest, KernelAddressesReportPresentWhateverIsThere) {
  for (const Gva at : {mm->task_size(), Gva(0xffff'8880'0000'0000), Gva(~0ULL)}) {
    EXPECT_EQ(fault(at, kRead).reported_error.raw(), 5u);
    EXPECT_EQ(fault(at, kWrite).reported_error.raw(), 7u);
    EXPECT_EQ(fault(at, kRead).result, FaultResult::kSegvMapErr);
    EXPECT_EQ(fault(at, kRead).path.decided_by(), FaultStep::kKernelAddress);
  }
  EXPECT_EQ(mm->counters.perf_faults, 0u);
}

TEST_P(FaultTest, ReservedBitIsACorruptedTable) {
  add(kBase, 1, kRwFlags);
  EXPECT_EQ(fault(kBase, 0xd).result, FaultResult::kPgtableBad);
}

TEST_P(FaultTest, EntryThatNobodyWroteIsACorruptedTable) {
  add(kBase, 1, kRwFlags);
  const PteSlot slot = mm->tables().populate(kBase);
  const std::uint64_t garbage = 0xdead'0002;
  std::memcpy(g.frames.memory().at(slot.address()), &garbage, 8);
  const FaultOutcome o = fault(kBase, kRead);
  EXPECT_EQ(o.result, FaultResult::kPgtableBad);
  EXPECT_EQ(o.path.decided_by(), FaultStep::kBadEntry);
  const std::uint64_t none = 0;
  std::memcpy(g.frames.memory().at(slot.address()), &none, 8);
}

TEST_P(FaultTest, StackGrowsToTheFaultAndRespectsGapAndLimit) {
  Vma& stack = add(kBase + 512 * kPageSize, 4, kRwFlags | VmFlags::kGrowsDown);
  stack.pgoff = Pgoff(0x7'0000'0000);
  mm->limits.stack = 64 * kPageSize;
  EXPECT_TRUE(fault(kBase + 480 * kPageSize, kWrite).resolved());
  EXPECT_EQ(stack.start, kBase + 480 * kPageSize);
  EXPECT_EQ(observer.outcomes.back().path.steps()[0], FaultStep::kStackExpanded);
  // Beyond RLIMIT_STACK.
  EXPECT_EQ(fault(kBase + 451 * kPageSize, kWrite).result, FaultResult::kSegvMapErr);
  EXPECT_EQ(observer.outcomes.back().path.decided_by(), FaultStep::kStackRefused);
  EXPECT_TRUE(fault(kBase + 452 * kPageSize, kWrite).resolved());
  // An accessible neighbour keeps 256 pages of distance; PROT_NONE does not.
  mm->limits.stack = ~0ULL;
  Vma& below = add(kBase + 100 * kPageSize, 1, kRwFlags);
  EXPECT_TRUE(fault(kBase + 357 * kPageSize, kWrite).resolved());
  EXPECT_EQ(fault(kBase + 356 * kPageSize, kWrite).result, FaultResult::kSegvMapErr);
  below.flags = VmFlags(VmFlags::kMayRead);
  EXPECT_TRUE(fault(kBase + 356 * kPageSize, kWrite).resolved());
}

TEST_P(FaultTest, ReadFaultMapsCachedNeighboursYoung) {
  const auto f = file(FileKind::kRegular, 40 * kPageSize);
  add(kBase, 40, kRoFlags, f);
  const FaultOutcome o = fault(kBase + 20 * kPageSize + 123, kRead);
  EXPECT_EQ(o.path.decided_by(), FaultStep::kFaultAround);
  for (std::uint64_t page = 0; page < 40; ++page) {
    const bool in_window = page >= 16 && page < 32;
    EXPECT_EQ(entry(kBase + page * kPageSize).present(), in_window) << page;
    if (in_window) {
      EXPECT_EQ(byte_at(kBase + page * kPageSize), static_cast<char>('a' + page % 26));
      EXPECT_TRUE(entry(kBase + page * kPageSize).accessed());
      EXPECT_FALSE(entry(kBase + page * kPageSize).dirty());
    }
  }
  EXPECT_EQ(mm->rss.total(), 16u);
  EXPECT_EQ(mm->counters.minor, 1u);
}

TEST_P(FaultTest, FaultAroundStopsAtVmaFileAndTable) {
  const auto f = file(FileKind::kRegular, 21 * kPageSize);
  // Pages 3..22 of the file; the file has 21, the window is cut by the VMA below.
  add(kBase + 3 * kPageSize, 20, kRoFlags, f, Pgoff(3));
  fault(kBase + 5 * kPageSize, kRead);
  EXPECT_TRUE(entry(kBase + 3 * kPageSize).present());
  EXPECT_TRUE(entry(kBase + 18 * kPageSize).present());  // counted from the clipped start
  EXPECT_FALSE(entry(kBase + 19 * kPageSize).present());
  fault(kBase + 20 * kPageSize, kRead);
  EXPECT_TRUE(entry(kBase + 20 * kPageSize).present());
  EXPECT_FALSE(entry(kBase + 21 * kPageSize).present());
  const FaultOutcome o = fault(kBase + 21 * kPageSize, kRead);
  EXPECT_EQ(o.result, FaultResult::kBusAdrErr);
  EXPECT_EQ(o.path.decided_by(), FaultStep::kBeyondFile);
  EXPECT_EQ(mm->counters.minor, 2u);
  EXPECT_EQ(mm->counters.vm_faults, 3u);  // SIGBUS counts in vmstat alone
}

TEST_P(FaultTest, BehindTheEndTheLastPageAloneComesIntoATableThatIsThere) {
  const auto f = file(FileKind::kRegular, 3 * kPageSize);
  add(kBase, 4, kRoFlags, f, Pgoff(2));
  EXPECT_EQ(fault(kBase + 2 * kPageSize, kRead).result, FaultResult::kBusAdrErr);
  EXPECT_FALSE(entry(kBase).present());
  // The window may begin behind the area.
  add(kBase + 14 * kPageSize, 4, kRoFlags, f);
  EXPECT_EQ(fault(kBase + 17 * kPageSize, kRead).result, FaultResult::kBusAdrErr);
  EXPECT_FALSE(entry(kBase + 16 * kPageSize).present());
  add(kBase + 20 * kPageSize, 1, kRwFlags);
  fault(kBase + 20 * kPageSize, kWrite);
  EXPECT_EQ(fault(kBase + 2 * kPageSize, kRead).result, FaultResult::kBusAdrErr);
  EXPECT_TRUE(entry(kBase).present());
}

// Linux keeps a table that was emptied (free_pgtables takes it, with the last area in its span).
TEST_P(FaultTest, BehindTheEndATableThatWasEmptiedIsThere) {
  const auto f = file(FileKind::kRegular, 3 * kPageSize);
  add(kBase, 4, kRoFlags, f, Pgoff(2));
  add(kBase + 20 * kPageSize, 1, kRwFlags);
  fault(kBase + 20 * kPageSize, kWrite);
  ASSERT_TRUE(do_madvise(*mm, (kBase + 20 * kPageSize).raw(), kPageSize, MADV_DONTNEED));
  EXPECT_EQ(fault(kBase + 2 * kPageSize, kRead).result, FaultResult::kBusAdrErr);
  EXPECT_TRUE(entry(kBase).present());
}

// A page that is not cached is none that could be found first.
TEST_P(FaultTest, BehindTheEndTheFirstPageThatIsCachedCounts) {
  TestFile* raw = nullptr;
  const auto f = file(FileKind::kRegular, 3 * kPageSize, &raw);
  raw->cold = {0, 1};
  add(kBase, 6, kRoFlags, f);
  EXPECT_EQ(fault(kBase + 4 * kPageSize, kRead).result, FaultResult::kBusAdrErr);
  EXPECT_FALSE(entry(kBase + 2 * kPageSize).present());
  raw->cold = {0};
  EXPECT_EQ(fault(kBase + 4 * kPageSize, kRead).result, FaultResult::kBusAdrErr);
  EXPECT_TRUE(entry(kBase + kPageSize).present());
  EXPECT_TRUE(entry(kBase + 2 * kPageSize).present());
}

TEST_P(FaultTest, ANewTableGoesWithTheFaultOnAFileThatFails) {
  const auto f = file(FileKind::kRegular, kPageSize);
  add(kBase + 20 * kPageSize, 4, kRwFlags | VmFlags::kShared | VmFlags::kMayShare, f, Pgoff(4));
  add(kBase + 30 * kPageSize, 4, kRwFlags, f, Pgoff(4));
  fault(kBase + 21 * kPageSize, kRead);  // the tables above stay
  const std::uint64_t tables = mm->tables().tables();
  for (const std::uint64_t page : {20, 30}) {
    for (const std::uint32_t how : {kRead, kWrite}) {
      EXPECT_EQ(fault(kBase + page * kPageSize, how).result, FaultResult::kBusAdrErr);
      EXPECT_FALSE(mm->tables().find(kBase + page * kPageSize).valid());
      EXPECT_EQ(mm->tables().tables(), tables);
    }
  }
}

TEST_P(FaultTest, ColdPagesAreMajorAndComeAlone) {
  TestFile* raw = nullptr;
  const auto f = file(FileKind::kRegular, 16 * kPageSize, &raw);
  raw->cold = {4, 5, 6};
  add(kBase, 16, kRoFlags, f);
  const FaultOutcome o = fault(kBase + 4 * kPageSize, kRead);
  EXPECT_TRUE(o.major);
  EXPECT_EQ(mm->counters.major, 1u);
  EXPECT_TRUE(entry(kBase).present());  // the warm ones around it came along
  EXPECT_FALSE(entry(kBase + 5 * kPageSize).present());
}

TEST_P(FaultTest, PrivateWriteCopiesAndLeavesTheFileAlone) {
  const auto f = file(FileKind::kRegular, 4 * kPageSize);
  add(kBase, 4, kRwFlags, f);
  const FaultOutcome o = fault(kBase + kPageSize, kWrite);
  EXPECT_EQ(o.path.decided_by(), FaultStep::kCowFault);
  const Gfn copy = entry(kBase + kPageSize).frame();
  EXPECT_EQ(g.frames.at(copy).kind, FrameKind::kAnon);
  EXPECT_NE(copy, f->find(Pgoff(1)));
  EXPECT_EQ(byte_at(kBase + kPageSize), 'b');
  // Read first, write later: the file page goes, its counts with it.
  fault(kBase + 2 * kPageSize, kRead);
  const Gfn cached = entry(kBase + 2 * kPageSize).frame();
  EXPECT_EQ(g.frames.at(cached).mapcount, 1);
  EXPECT_EQ(fault(kBase + 2 * kPageSize, kWriteProt).path.decided_by(), FaultStep::kCopy);
  EXPECT_EQ(g.frames.at(cached).mapcount, 0);
  EXPECT_EQ(g.frames.at(cached).refcount, 1);
  EXPECT_EQ(byte_at(kBase + 2 * kPageSize), 'c');
}

TEST_P(FaultTest, SharedFileCountsDirtyPagesShmemDoesNot) {
  for (const FileKind kind : {FileKind::kRegular, FileKind::kShmem}) {
    GuestMemory other(16ULL << 20, GetParam());
    auto space = AddressSpace::create(other.env);
    const auto f = other.cache.open(std::make_unique<TestFile>(FileId{2, 2}, kind, std::string(3 * kPageSize, 'x')));
    space->vmas.insert({.start = kBase,
                        .end = kBase + 3 * kPageSize,
                        .flags = VmFlags(kRwFlags | VmFlags::kShared),
                        .pgoff = Pgoff(0),
                        .file = f,
                        .name = {}});
    const auto at = [&](std::uint32_t error, Gva va) {
      return handle_page_fault(*space, {.address = va, .error = ErrorCode(error), .ip = Gva(0)});
    };
    const bool regular = kind == FileKind::kRegular;
    at(kRead, kBase);
    EXPECT_EQ(space->tables().find(kBase).load().writable(), !regular);
    EXPECT_EQ(other.frames.at(f->find(Pgoff(0)).value()).dirty, false);
    if (regular) {
      const FaultOutcome o = at(kWriteProt, kBase);
      EXPECT_TRUE(o.path.contains(FaultStep::kPageMkwrite));
      EXPECT_TRUE(other.frames.at(f->find(Pgoff(0)).value()).dirty);
      // Written back and clean: the next write is noticed again.
      collect_dirty(*f, Pgoff(0), Pgoff(2));
      EXPECT_FALSE(space->tables().find(kBase).load().writable());
      EXPECT_TRUE(f->write_back(Pgoff(0), Pgoff(2)));
      EXPECT_FALSE(other.frames.at(f->find(Pgoff(0)).value()).dirty);
      EXPECT_EQ(at(kWriteProt, kBase).path.steps()[1], FaultStep::kWriteProtect);
    }
  }
}

TEST_P(FaultTest, UnmappingKeepsWhatTheCpuWroteToASharedPage) {
  const auto f = file(FileKind::kShmem, 2 * kPageSize);
  const Vma& vma = add(kBase, 2, kRwFlags | VmFlags::kShared, f);
  fault(kBase, kRead);  // maps it writable: tmpfs notices no write
  const PteSlot slot = mm->tables().find(kBase);
  const std::uint64_t written = slot.load().with(Pte::kDirty).raw();
  std::memcpy(g.frames.memory().at(slot.address()), &written, 8);
  TlbGather gather(mm->tables());
  zap_range(*mm, vma, vma.start, vma.end, gather);
  gather.flush();
  EXPECT_TRUE(g.frames.at(f->find(Pgoff(0)).value()).dirty);
  EXPECT_FALSE(g.frames.at(f->find(Pgoff(1)).value()).dirty);
}

TEST_P(FaultTest, ExclusiveAnonymousPageIsReused) {
  add(kBase, 1, kRwFlags);
  fault(kBase, kWrite);
  const Gfn page = entry(kBase).frame();
  TlbGather gather(mm->tables());
  PtEditor(gather).clear_flags(mm->tables().find(kBase), kBase, Pte::kWrite | Pte::kDirty);
  gather.flush();
  const FaultOutcome o = fault(kBase, kWriteProt);
  EXPECT_EQ(o.path.decided_by(), FaultStep::kReuse);
  EXPECT_EQ(entry(kBase).frame(), page);
  EXPECT_TRUE(entry(kBase).has(Pte::kWrite | Pte::kDirty));
  // Shared with somebody else it is copied.
  PtEditor(gather).clear_flags(mm->tables().find(kBase), kBase, Pte::kWrite);
  gather.flush();
  g.frames.at(page).anon_exclusive = false;
  g.frames.get(page);
  EXPECT_EQ(fault(kBase, kWriteProt).path.decided_by(), FaultStep::kCopy);
  EXPECT_EQ(g.frames.at(page).refcount, 1);
  g.frames.put(page);
}

TEST_P(FaultTest, AFaultThatIsOverAlreadyIsSpurious) {
  add(kBase, 1, kRwFlags);
  fault(kBase, kWrite);
  const FaultOutcome o = fault(kBase, kWriteProt);
  EXPECT_TRUE(o.resolved());
  EXPECT_EQ(o.path.decided_by(), FaultStep::kSpurious);
  EXPECT_EQ(mm->counters.minor, 2u);  // counted all the same
}

TEST_P(FaultTest, EachAllocationThatFailsIsOutOfMemoryAndLeaksNothing) {
  const auto f = file(FileKind::kShmem, 4 * kPageSize);
  add(kBase, 4, kRwFlags);
  add(kBase + 8 * kPageSize, 4, kRwFlags, f);
  for (const Gva at : {kBase, kBase + 8 * kPageSize}) {
    int failures = 0;
    for (std::uint64_t nth = 1; nth < 12; ++nth) {
      g.frames.fail_nth(nth);
      const FaultOutcome o = fault(at, kWrite);
      g.frames.fail_nth(0);
      if (o.resolved()) break;
      ++failures;
      EXPECT_EQ(o.result, FaultResult::kOutOfMemory);
      EXPECT_FALSE(entry(at).present());
    }
    EXPECT_GE(failures, 1);
    EXPECT_TRUE(entry(at).present());
  }
}

TEST_P(FaultTest, FileErrorsAreSigbus) {
  TestFile* raw = nullptr;
  const auto f = file(FileKind::kRegular, 4 * kPageSize, &raw);
  add(kBase, 4, kRwFlags, f);
  raw->fail_with = EIO;
  EXPECT_EQ(fault(kBase, kRead).result, FaultResult::kBusAdrErr);
  EXPECT_EQ(fault(kBase, kWrite).result, FaultResult::kBusAdrErr);
}

}  // namespace
}  // namespace faultline::mmu
