// Rows 5.1 to 5.19: what happens when the entry changes while a handler decides, and what is
// looked at again under the lock.
#include <cstring>

#include "mmu/arch/swap_entry.hpp"
#include "mmu/space/uaccess.hpp"
#include "tests/unit/support/hooked_fault_fixture.hpp"

namespace faultline::mmu {
namespace {

constexpr std::uint32_t kRead = 4, kWrite = 6, kWriteProt = 7;

using HandleMmTest = HookedFaultTest;
INSTANTIATE_TEST_SUITE_P(Modes, HandleMmTest, testing::ValuesIn(kPagingModes), test::mode_name);

TEST_P(HandleMmTest, TheLoserOfARaceDropsWhatItMade) {
  const auto f = file(FileKind::kShmem, 8 * kPageSize);
  add(kBase, 2, kRwFlags);
  add(kBase + 2 * kPageSize, 1, kRwFlags, f, Pgoff(2));
  add(kBase + 3 * kPageSize, 1, kRwFlags | VmFlags::kShared, f, Pgoff(3));
  struct Row {
    std::uint64_t page;
    std::uint32_t error;
    FaultStep handler;
  };
  constexpr Row kRows[] = {{0, kRead, FaultStep::kAnonymousZero},
                           {1, kWrite, FaultStep::kAnonymousPage},
                           {2, kWrite, FaultStep::kCowFault},
                           {3, kWrite, FaultStep::kSharedFault}};
  for (const Row& row : kRows) {
    const Gva at = kBase + row.page * kPageSize;
    static_cast<void>(f->fetch(Pgoff(row.page)));  // so that only the handler's own frames count
    const PteSlot slot = mm->tables().populate(at);
    const Pte other = SwapEntry(SwapEntry::kMigrationRead, 1).pte();
    hooks.on_lock = [&](AddressSpace&, Gva, PteSlot s) { poke(s, other); };
    const std::uint64_t frames = g.frames.used_frames();
    const FaultCounters before = mm->counters;
    const FaultOutcome o = fault(at, row.error);
    EXPECT_TRUE(o.resolved());
    EXPECT_TRUE(o.path.contains(row.handler));
    EXPECT_EQ(o.path.decided_by(), FaultStep::kRaced);
    EXPECT_EQ(slot.load(), other);
    EXPECT_EQ(g.frames.used_frames(), frames);
    EXPECT_EQ(mm->counters.minor - before.minor, 1U);  // counted all the same
    poke(slot, Pte());
  }
}

TEST_P(HandleMmTest, ARaceWhileAPageIsCopiedLeavesTheOldOne) {
  add(kBase, 1, kRwFlags);
  fault(kBase, kRead);  // the zero page
  const Pte zero = entry(kBase);
  int locks = 0;
  // The second lock is the one after the copy was made.
  hooks.on_lock = [&](AddressSpace&, Gva, PteSlot s) {
    if (++locks == 2) poke(s, zero.without(Pte::kAccessed));
  };
  const std::uint64_t frames = g.frames.used_frames();
  const FaultOutcome o = fault(kBase, kWriteProt);
  EXPECT_TRUE(o.path.contains(FaultStep::kCopy));
  EXPECT_EQ(o.path.decided_by(), FaultStep::kRaced);
  EXPECT_EQ(g.frames.used_frames(), frames);
  EXPECT_TRUE(entry(kBase).special());
}

TEST_P(HandleMmTest, AnUnstableAddressSpaceGetsNoNewPages) {
  const auto f = file(FileKind::kShmem, 8 * kPageSize);
  static_cast<void>(f->fetch(Pgoff(0)));
  add(kBase, 2, kRwFlags);
  add(kBase + 2 * kPageSize, 1, kRwFlags, f, Pgoff(0));
  add(kBase + 3 * kPageSize, 1, kRwFlags | VmFlags::kShared, f, Pgoff(0));
  mm->tables().populate(kBase);
  mm->unstable = true;
  const std::uint64_t frames = g.frames.used_frames();
  for (const auto& [page, error] : {std::pair{0U, kRead}, {1U, kWrite}, {2U, kWrite}}) {
    const FaultOutcome o = fault(kBase + page * kPageSize, error);
    EXPECT_EQ(o.result, FaultResult::kBusAdrErr) << page;
    EXPECT_EQ(o.path.decided_by(), FaultStep::kUnstable) << page;
  }
  EXPECT_EQ(g.frames.used_frames(), frames);
  EXPECT_TRUE(fault(kBase + 3 * kPageSize, kWrite).resolved());  // shared memory lost nothing
}

TEST_P(HandleMmTest, PageMkwriteMayFailOrFindThePageGone) {
  test::TestFile* raw = nullptr;
  const auto f = file(FileKind::kRegular, 4 * kPageSize, &raw);
  add(kBase, 1, kRwFlags | VmFlags::kShared, f);
  add(kBase + 2 * kPageSize, 1, kRwFlags | VmFlags::kShared, f, Pgoff(2));
  raw->mkwrite_error = ENOSPC;
  EXPECT_EQ(fault(kBase, kWrite).result, FaultResult::kBusAdrErr);
  fault(kBase, kRead);
  EXPECT_EQ(fault(kBase, kWriteProt).result, FaultResult::kBusAdrErr);
  EXPECT_FALSE(entry(kBase).writable());
  raw->mkwrite_error = 0;
  raw->on_mkwrite = [&] { raw->content.resize(kPageSize); };
  const FaultOutcome o = fault(kBase + 2 * kPageSize, kWrite);
  EXPECT_TRUE(o.resolved());  // made again, and then beyond the end
  EXPECT_EQ(o.path.decided_by(), FaultStep::kTruncated);
  raw->on_mkwrite = nullptr;
  EXPECT_EQ(fault(kBase + 2 * kPageSize, kWrite).result, FaultResult::kBusAdrErr);
  EXPECT_TRUE(fault(kBase, kWriteProt).resolved());
}

TEST_P(HandleMmTest, ForcedWriteCopiesAndStaysReadOnly) {
  const auto f = file(FileKind::kRegular, 4 * kPageSize);
  add(kBase, 4, kRoFlags, f);
  add(kBase + 8 * kPageSize, 1, kRoFlags);
  fault(kBase, kRead);
  const std::string text = "patched";
  for (const Gva at : {kBase, kBase + 8 * kPageSize}) {
    EXPECT_EQ(write_remote(*mm, at, std::as_bytes(std::span(text))), text.size());
    EXPECT_FALSE(entry(at).writable());
    EXPECT_TRUE(entry(at).dirty());
    EXPECT_EQ(g.frames.at(entry(at).frame()).kind, FrameKind::kAnon);
    std::string back(text.size(), ' ');
    EXPECT_EQ(read_remote(*mm, std::as_writable_bytes(std::span(back)), at), text.size());
    EXPECT_EQ(back, text);
    const Pte once = entry(at);
    EXPECT_EQ(write_remote(*mm, at, std::as_bytes(std::span(text))), text.size());
    EXPECT_EQ(entry(at), once);                                         // written where it is the second time
    EXPECT_EQ(fault(at, kWriteProt).result, FaultResult::kSegvAccErr);  // user code still may not
  }
  EXPECT_EQ(byte_at(kBase), 'p');
  EXPECT_EQ(static_cast<char>(g.frames.memory().page(*f->find(Pgoff(0)))[0]), 'a');
  EXPECT_EQ(mm->counters.perf_minor, 1U);  // the one read of user code
}

TEST_P(HandleMmTest, ForceHasItsLimits) {
  const auto f = file(FileKind::kShmem, 4 * kPageSize);
  add(kBase, 1, VmFlags::kRead | VmFlags::kMayRead | VmFlags::kShared | VmFlags::kMayShare | VmFlags::kMayWrite, f);
  add(kBase + 2 * kPageSize, 1, VmFlags::kMayRead | VmFlags::kMayWrite);  // PROT_NONE
  std::byte byte{7};
  const auto write = [&](Gva at) { return write_remote(*mm, at, std::span(&byte, 1)); };
  EXPECT_EQ(write(kBase), 0U);  // shared: others would see it
  EXPECT_EQ(write(kBase + kPageSize), 0U);
  EXPECT_EQ(write(kBase + 2 * kPageSize), 1U);
  EXPECT_EQ(entry(kBase + 2 * kPageSize).kind(1), PteKind::kProtNone);
  std::byte back{0};
  EXPECT_EQ(read_remote(*mm, std::span(&back, 1), kBase + 2 * kPageSize), 1U);
  EXPECT_EQ(back, byte);
  // Across an unmapped page the part before it counts.
  std::vector<std::byte> two(2 * kPageSize);
  EXPECT_EQ(read_remote(*mm, two, kBase), kPageSize);
}

TEST_P(HandleMmTest, UnsharingMakesACopyThatIsStillReadOnly) {
  const auto f = file(FileKind::kRegular, 2 * kPageSize);
  add(kBase, 1, kRwFlags);
  add(kBase + 2 * kPageSize, 1, kRwFlags, f);
  const GupMode unshare{.unshare = true};
  // Nothing there: a zero page is not enough.
  ASSERT_TRUE(fault_in_page(*mm, kBase, false, FaultOrigin::kGup, unshare));
  EXPECT_FALSE(entry(kBase).special());
  EXPECT_FALSE(entry(kBase).writable());
  EXPECT_FALSE(entry(kBase).dirty());
  // A page of the file: copied.
  ASSERT_TRUE(fault_in_page(*mm, kBase + 2 * kPageSize, false, FaultOrigin::kGup, unshare));
  EXPECT_EQ(g.frames.at(entry(kBase + 2 * kPageSize).frame()).kind, FrameKind::kAnon);
  EXPECT_EQ(byte_at(kBase + 2 * kPageSize), 'a');
  // One's own: nothing to do, and no fault.
  const FaultCounters before = mm->counters;
  ASSERT_TRUE(fault_in_page(*mm, kBase, false, FaultOrigin::kGup, unshare));
  EXPECT_EQ(mm->counters.vm_faults, before.vm_faults);
  EXPECT_EQ(mm->counters.perf_faults, 0U);
}

TEST_P(HandleMmTest, LookingForPagesGrowsNoStack) {
  add(kBase + 512 * kPageSize, 4, kRwFlags | VmFlags::kGrowsDown).pgoff = Pgoff(0x7'0000'0000);
  EXPECT_FALSE(fault_in_page(*mm, kBase + 511 * kPageSize, true, FaultOrigin::kGup));
  EXPECT_TRUE(fault_in_page(*mm, kBase + 511 * kPageSize, true, FaultOrigin::kKernel));
}

TEST_P(HandleMmTest, DroppableMemoryNeverFailsForWantOfMemory) {
  add(kBase, 1, kRwFlags | VmFlags::kDroppable);
  mm->tables().populate(kBase);
  g.frames.fail_nth(1);
  EXPECT_TRUE(fault(kBase, kWrite).resolved());
  EXPECT_TRUE(entry(kBase).none());
  EXPECT_TRUE(fault(kBase, kWrite).resolved());
  EXPECT_TRUE(g.frames.at(entry(kBase).frame()).lazy_free);
}

// Every allocation and every call of the file, for each handler: the outcome is an error or the
// page, and nothing is lost either way.
TEST_P(HandleMmTest, NothingIsLostWhereverItFails) {
  struct Row {
    std::uint32_t flags;
    bool with_file;
    std::uint32_t first, then;  // error codes of two faults in a row
  };
  const Row rows[] = {{kRwFlags, false, kRead, kWriteProt},
                      {kRwFlags, false, kWrite, kWriteProt},
                      {kRwFlags, true, kRead, kWriteProt},
                      {kRwFlags, true, kWrite, kWriteProt},
                      {kRwFlags | VmFlags::kShared, true, kRead, kWriteProt},
                      {kRwFlags | VmFlags::kShared, true, kWrite, kWriteProt}};
  for (const Row& row : rows) {
    for (std::uint64_t nth = 1; nth < 12; ++nth) {
      for (const bool file_fails : {false, true}) {
        test::GuestMemory memory(16ULL << 20, GetParam());
        const std::uint64_t baseline = memory.frames.used_frames();
        auto backing = std::make_unique<test::TestFile>(FileId{3, 3}, FileKind::kRegular, std::string(kPageSize, 'x'));
        test::TestFile* raw = backing.get();
        auto space = AddressSpace::create(memory.env);
        auto mapping = row.with_file ? memory.cache.open(std::move(backing)) : nullptr;
        space->vmas.insert({.start = kBase,
                            .end = kBase + kPageSize,
                            .flags = VmFlags(row.flags),
                            .pgoff = mapping ? Pgoff(0) : Pgoff(kBase.page().raw()),
                            .file = mapping,
                            .name = {}});
        if (file_fails && row.with_file) {
          raw->fail_after = static_cast<int>(nth) - 1;
        } else {
          memory.frames.fail_nth(nth);
        }
        for (const std::uint32_t error : {row.first, row.then}) {
          const PteSlot slot = space->tables().find(kBase);
          const Pte now = slot.valid() ? slot.load() : Pte();
          if (now.present() && ((error & 2) == 0 || now.writable())) continue;
          const std::uint32_t code = (error & ~1U) | (now.present() ? 1U : 0U);
          const FaultOutcome o = handle_page_fault(*space, {.address = kBase, .error = ErrorCode(code), .ip = Gva(0)});
          const bool expected =
              o.resolved() || o.result == FaultResult::kOutOfMemory || o.result == FaultResult::kBusAdrErr;
          EXPECT_TRUE(expected) << name(o.result);
          EXPECT_TRUE(o.result != FaultResult::kBusAdrErr || (file_fails && row.with_file));
        }
        memory.frames.fail_nth(0);
        space.reset();
        const std::uint64_t cached = mapping ? mapping->cached_pages() : 0;
        EXPECT_EQ(memory.frames.used_frames(), baseline + cached);
        EXPECT_EQ(memory.frames.check_invariants(), std::nullopt);
      }
    }
  }
}

// The entry is read again under the lock by those, too, who only change what is there.
TEST_P(HandleMmTest, TheLoserOfARaceChangesNothing) {
  const auto f = file(FileKind::kShmem, kPageSize);
  add(kBase, 2, kRwFlags);
  add(kBase + 2 * kPageSize, 1, kRwFlags | VmFlags::kShared, f, Pgoff(0));
  fault(kBase, kWrite);
  fault(kBase + 2 * kPageSize, kRead);
  const Pte own = entry(kBase), marker = SwapEntry(SwapEntry::kMarker, SwapEntry::kMarkerUffdWp).pte();
  const Pte shared = entry(kBase + 2 * kPageSize).without(Pte::kWrite);
  struct Row {
    const char* handler;
    Gva at;
    Pte before;
    std::uint32_t error;
    int lock;  // the one that comes too late
  };
  const Row rows[] = {{"handle_pte_fault", kBase, own.without(Pte::kAccessed), kRead, 1},
                      {"do_numa_page", kBase, own.with_protection(VmFlags().page_prot()), kRead, 1},
                      {"handle_pte_marker", kBase + kPageSize, marker, kRead, 1},
                      {"wp_page_shared", kBase + 2 * kPageSize, shared, kWriteProt, 2}};
  for (const Row& row : rows) {
    SCOPED_TRACE(row.handler);
    const PteSlot slot = mm->tables().populate(row.at);
    const Pte original = slot.load(), other = SwapEntry(SwapEntry::kMigrationRead, 1).pte();
    poke(slot, row.before);
    int locks = 0;
    hooks.on_lock = [&](AddressSpace&, Gva, PteSlot s) {
      if (++locks == row.lock) poke(s, other);
    };
    const FaultOutcome o = fault(row.at, row.error);
    hooks.on_lock = nullptr;
    EXPECT_TRUE(o.resolved());
    EXPECT_EQ(o.path.decided_by(), FaultStep::kRaced);
    EXPECT_EQ(slot.load(), other);
    poke(slot, original);
  }
  // Somebody else was faster, and there is nothing left to do but to mark it used.
  poke(mm->tables().find(kBase), own.without(Pte::kAccessed | Pte::kDirty));
  EXPECT_EQ(fault(kBase, kWrite).path.decided_by(), FaultStep::kSpurious);
  EXPECT_EQ(entry(kBase), own);
  EXPECT_EQ(fault(kBase, kRead).path.decided_by(), FaultStep::kSpurious);
}

TEST_P(HandleMmTest, SharedMemoryWithNothingBehindItIsABusError) {
  add(kBase, 1, kRwFlags | VmFlags::kShared);
  EXPECT_EQ(fault(kBase, kRead).result, FaultResult::kBusAdrErr);
  EXPECT_EQ(fault(kBase, kWrite).result, FaultResult::kBusAdrErr);
}

TEST_P(HandleMmTest, AColdPageOfAPrivateFileIsRefusedWhereTheSpaceIsUnstable) {
  test::TestFile* raw = nullptr;
  const auto f = file(FileKind::kRegular, kPageSize, &raw);
  raw->cold.insert(0);  // not to be had by fault-around
  add(kBase, 1, kRwFlags, f);
  mm->unstable = true;
  EXPECT_EQ(fault(kBase, kRead).path.decided_by(), FaultStep::kUnstable);
  mm->unstable = false;
  EXPECT_TRUE(fault(kBase, kRead).resolved());
}

// A guest with one thread has no hooks and need not be watched.
TEST_P(HandleMmTest, WithoutHooksAndWithoutAnObserver) {
  mm->fault_hooks = nullptr;
  mm->observer = nullptr;
  const auto f = file(FileKind::kRegular, kPageSize);
  add(kBase, 1, kRwFlags);
  add(kBase + 4 * kPageSize, 2, kRwFlags, f);
  const PteSlot slot = mm->tables().populate(kBase);
  poke(slot, SwapEntry(SwapEntry::kMigrationRead, 1).pte());
  EXPECT_EQ(fault(kBase, kRead).path.decided_by(), FaultStep::kMigrationWait);
  poke(slot, Pte());
  const auto by_kernel = [&](Gva at, bool fixup) {
    return handle_page_fault(*mm, {.address = at,
                                   .error = ErrorCode(0),
                                   .ip = Gva(0),
                                   .origin = FaultOrigin::kKernel,
                                   .kernel = {.fixup = fixup}});
  };
  EXPECT_TRUE(by_kernel(kBase, false).resolved());
  EXPECT_EQ(by_kernel(kBase + 5 * kPageSize, true).result, FaultResult::kBusAdrErr);
  EXPECT_EQ(by_kernel(kBase + 5 * kPageSize, false).result, FaultResult::kOops);
}

TEST_P(HandleMmTest, AFatalSignalGoesBeforeTheKernelsError) {
  add(kBase, 1, kRwFlags);
  hooks.rest = VmFault::kSigbus;
  hooks.fatal = true;
  const auto end = [&](FaultOrigin origin) {
    return handle_page_fault(*mm, {.address = kBase, .error = ErrorCode(6), .ip = Gva(0), .origin = origin}).result;
  };
  EXPECT_EQ(end(FaultOrigin::kKernel), FaultResult::kInterrupted);
  EXPECT_EQ(end(FaultOrigin::kUser), FaultResult::kBusAdrErr);
}

}  // namespace
}  // namespace faultline::mmu
