// Fork: what the child has, what both sides share, and what each fault after it costs.
#include "mmu/space/fork.hpp"

#include "mmu/arch/swap_entry.hpp"
#include "mmu/pgtable/editor.hpp"
#include "tests/unit/space/fork_fixture.hpp"

namespace faultline::mmu {
namespace {

using testing::access_in;
using testing::entry_in;

class Fork : public testing::ForkTest {};

TEST_F(Fork, SharesPrivatePagesWriteProtected) {
  map_at(page(0), 4);
  write_at(page(0));
  read_at(page(1));
  const Gfn frame = entry_at(page(0)).frame();
  world.sink.batches.clear();
  const AddressSpace& child = fork();
  EXPECT_EQ(entry_in(child, page(0)).frame(), frame);
  EXPECT_FALSE(entry_at(page(0)).writable());
  EXPECT_FALSE(entry_in(child, page(0)).writable());
  EXPECT_TRUE(entry_in(child, page(0)).dirty());
  EXPECT_FALSE(entry_in(child, page(0)).accessed());
  EXPECT_EQ(entry_in(child, page(1)).frame(), world.env.zero_frame);
  EXPECT_EQ(world.frames.at(frame).mapcount, 2);
  EXPECT_FALSE(world.frames.at(frame).anon_exclusive);
  EXPECT_EQ(child.rss.total(), 1U);
  // One flush of the parent's, for the one page that lost a right.
  ASSERT_EQ(world.sink.batches.size(), 1U);
  EXPECT_EQ(world.sink.batches[0].root, Gpa(mm->tables().root()));
  EXPECT_EQ(world.sink.batches[0].pages, 1U);
}

// Rows 8.2 and 8.3: 64 pages each.
TEST_F(Fork, CostsOneFaultAPageOnEitherSide) {
  map_at(page(0), 64);
  touch(*mm, 0, 64, true);
  AddressSpace& child = fork();
  EXPECT_EQ(touch(child, 0, 64, false), 0U);
  EXPECT_EQ(touch(child, 0, 64, true, FaultStep::kCopy), 64U);
  EXPECT_EQ(touch(*mm, 0, 64, true, FaultStep::kReuse), 64U);
  EXPECT_EQ(touch(child, 0, 64, true), 0U);
  EXPECT_EQ(touch(*mm, 0, 64, true), 0U);
}

TEST_F(Fork, CopiesNoSharedMemory) {
  map_at(page(0), 64, kRw, MAP_SHARED | MAP_ANONYMOUS);
  touch(*mm, 0, 64, true);
  AddressSpace& child = fork();
  EXPECT_EQ(child.rss.total(), 0U);
  EXPECT_EQ(child.tables().tables(), 0U);
  EXPECT_EQ(touch(child, 0, 64, true), 64U);
  EXPECT_EQ(entry_in(child, page(5)).frame(), entry_at(page(5)).frame());
}

// Pages of a file come back by faults, until there is a private copy among them.
TEST_F(Fork, CopiesAPrivateFileMappingOnlyOnceItWasWritten) {
  const auto file = world.file(FileKind::kRegular, 32 * kPageSize);
  map_file_at(page(0), 16, file, kRw, MAP_PRIVATE);
  touch(*mm, 0, 16, false);
  EXPECT_EQ(fork().rss.total(), 0U);
  touch(*mm, 3, 1, true);
  const AddressSpace& child = fork();
  EXPECT_EQ(child.rss.pages[0], 1);
  EXPECT_EQ(child.rss.pages[1], 15);
}

TEST_F(Fork, ContentParts) {
  map_at(page(0), 1);
  write_at(page(0));
  byte_at(page(0)) = std::byte{7};
  AddressSpace& child = fork();
  const Gfn frame = entry_at(page(0)).frame();
  touch(child, 0, 1, true, FaultStep::kCopy);
  byte_in(child, page(0)) = std::byte{9};
  EXPECT_EQ(byte_at(page(0)), std::byte{7});
  touch(*mm, 0, 1, true, FaultStep::kReuse);
  EXPECT_EQ(entry_at(page(0)).frame(), frame);
  EXPECT_TRUE(world.frames.at(frame).anon_exclusive);
}

TEST_F(Fork, LastOwnerReusesAfterTheChildIsGone) {
  map_at(page(0), 2);
  touch(*mm, 0, 2, true);
  const Gfn frame = entry_at(page(0)).frame();
  const AddressSpace& first = fork();
  const AddressSpace& second = fork();
  exit(first);
  // Two still share it.
  touch(*mm, 1, 1, true, FaultStep::kCopy);
  exit(second);
  touch(*mm, 0, 1, true, FaultStep::kReuse);
  EXPECT_EQ(entry_at(page(0)).frame(), frame);
}

TEST_F(Fork, TheChildReusesAfterTheParentIsGone) {
  map_at(page(0), 1);
  write_at(page(0));
  AddressSpace& child = fork();
  const Gfn frame = entry_in(child, page(0)).frame();
  mm.reset();
  touch(child, 0, 1, true, FaultStep::kReuse);
  EXPECT_EQ(entry_in(child, page(0)).frame(), frame);
  // From now on it is the child's own (folio_move_anon_rmap).
  EXPECT_EQ(world.frames.at(frame).anon_vma(), child.vmas.lookup(Gva(page(0)))->anon_vma);
}

TEST_F(Fork, ZeroPagesStayShared) {
  map_at(page(0), 2);
  touch(*mm, 0, 1, false);
  touch(*mm, 1, 1, true);
  AddressSpace& child = fork();
  EXPECT_TRUE(entry_in(child, page(0)).special());
  EXPECT_EQ(child.rss.total(), 1U);
  touch(child, 0, 1, true, FaultStep::kCopy);
  EXPECT_TRUE(entry_at(page(0)).special());
}

TEST_F(Fork, AdviceDecidesWhatIsInherited) {
  map_at(page(0), 2);
  map_at(page(10), 2);
  map_at(page(20), 2);
  touch(*mm, 0, 2, true);
  touch(*mm, 10, 2, true);
  touch(*mm, 20, 2, true);
  ASSERT_TRUE(do_madvise(*mm, page(0), 2 * kPageSize, MADV_DONTFORK));
  ASSERT_TRUE(do_madvise(*mm, page(10), 2 * kPageSize, MADV_WIPEONFORK));
  AddressSpace& child = fork();
  EXPECT_EQ(child.vmas.size(), 2U);
  EXPECT_EQ(child.vmas.lookup(Gva(page(0))), nullptr);
  EXPECT_EQ(child.vmas.lookup(Gva(page(10)))->anon_vma, nullptr);
  EXPECT_TRUE(entry_in(child, page(10)).none());
  EXPECT_EQ(child.rss.total(), 2U);
  EXPECT_EQ(child.total_vm, 4U);
  EXPECT_EQ(child.data_vm, 4U);
  touch(child, 10, 1, true, FaultStep::kAnonymousPage);
  EXPECT_EQ(byte_in(child, page(10)), std::byte{0});
  // Advice is inherited itself.
  EXPECT_TRUE(fork(child).vmas.lookup(Gva(page(10)))->flags.has(VmFlags::kWipeOnFork));
}

TEST_F(Fork, LocksAreNotInherited) {
  map_at(page(0), 2);
  ASSERT_TRUE(do_mlock(*mm, page(0), 2 * kPageSize, false));
  ASSERT_TRUE(do_mlockall(*mm, MCL_FUTURE));
  const AddressSpace& child = fork();
  EXPECT_EQ(child.locked_vm, 0U);
  EXPECT_FALSE(child.vmas.begin()->second.flags.any(VmFlags::kLocked | VmFlags::kLockOnFault));
  EXPECT_FALSE(child.default_flags.any(VmFlags::kLocked | VmFlags::kLockOnFault));
  EXPECT_EQ(mm->locked_vm, 2U);
}

TEST_F(Fork, InheritsLimitsAndBreak) {
  mm->limits.stack = 12345;
  mm->start_brk = mm->brk = Gva(page(0));
  mm->mmap_base = Gva(page(500));
  mm->counters.minor = 9;
  do_brk(*mm, page(3));
  const AddressSpace& child = fork();
  EXPECT_EQ(child.limits.stack, 12345U);
  EXPECT_EQ(child.start_brk, Gva(page(0)));
  EXPECT_EQ(child.brk, Gva(page(3)));
  EXPECT_EQ(child.mmap_base, Gva(page(500)));
  EXPECT_EQ(child.counters.minor, 0U);
  EXPECT_EQ(child.total_vm, 3U);
}

// Unreadable pages are pages all the same; W comes back neither way.
TEST_F(Fork, UnreadablePages) {
  map_at(page(0), 2);
  touch(*mm, 0, 2, true);
  ASSERT_TRUE(do_mprotect(*mm, page(0), kPageSize, PROT_NONE));
  const Gfn frame = entry_at(page(0)).frame();
  AddressSpace& child = fork();
  EXPECT_EQ(entry_in(child, page(0)).kind(1), PteKind::kProtNone);
  EXPECT_EQ(entry_in(child, page(0)).frame(), frame);
  ASSERT_TRUE(do_mprotect(*mm, page(0), kPageSize, kRw));
  EXPECT_FALSE(entry_at(page(0)).writable());
  touch(*mm, 0, 1, true, FaultStep::kCopy);
}

TEST_F(Fork, MarkersAreInherited) {
  map_at(page(0), 4);
  mm->prepare_anon_vma(*mm->vmas.lookup(Gva(page(0))));
  TlbGather gather(mm->tables());
  PtEditor editor(gather);
  const auto mark = [&](std::uint64_t at, std::uint64_t what) {
    editor.install(mm->tables().populate(Gva(at)), Gva(at), SwapEntry(SwapEntry::kMarker, what).pte());
  };
  mark(page(0), SwapEntry::kMarkerGuard);
  mark(page(1), SwapEntry::kMarkerPoisoned);
  mark(page(2), SwapEntry::kMarkerGuard | SwapEntry::kMarkerUffdWp);
  const AddressSpace& child = fork();
  EXPECT_EQ(entry_in(child, page(0)), kGuardEntry);
  EXPECT_EQ(entry_in(child, page(1)), entry_at(page(1)));
  EXPECT_EQ(entry_in(child, page(2)), kGuardEntry);
}

// Of a file mapping, which has no anon_vma for them: the area remembers that there are guards.
TEST_F(Fork, GuardsOfAFileMappingAreInherited) {
  map_file_at(page(0), 4, world.file(FileKind::kRegular, 8 * kPageSize), kRw, MAP_PRIVATE);
  ASSERT_TRUE(do_madvise(*mm, page(1), kPageSize, 102 /* MADV_GUARD_INSTALL */));
  EXPECT_EQ(mm->vmas.lookup(Gva(page(1)))->anon_vma, nullptr);
  const AddressSpace& child = fork();
  EXPECT_EQ(entry_in(child, page(1)), kGuardEntry);
  // It merges with areas that have none, and they are one that may have some.
  map_file_at(page(4), 2, mm->vmas.begin()->second.file, kRw, MAP_PRIVATE, 4);
  EXPECT_EQ(mm->vmas.size(), 1U);
  EXPECT_TRUE(mm->vmas.begin()->second.flags.has(VmFlags::kMaybeGuard));
}

// Whoever mirrors the parent hears of what loses W; the child has no mirrors.
TEST_F(Fork, TellsTheParentsMirror) {
  struct Mirror final : MmuNotifier {
    void range_start(const AddressSpace&, NotifierEvent event, Gva start, Gva end) override {
      EXPECT_EQ(event, NotifierEvent::kProtectionPage);
      started.emplace_back(start, end);
    }
    void range_end(const AddressSpace&, NotifierEvent, Gva start, Gva end) override { ended.emplace_back(start, end); }
    std::vector<std::pair<Gva, Gva>> started, ended;
  } mirror;
  map_at(page(0), 4);
  map_at(page(10), 4, kRw, MAP_SHARED | MAP_ANONYMOUS);
  touch(*mm, 0, 4, true);
  touch(*mm, 10, 4, true);
  mm->notifier = &mirror;
  const AddressSpace& child = fork();
  mm->notifier = nullptr;
  const std::vector<std::pair<Gva, Gva>> expected{{Gva(page(0)), Gva(page(4))}};
  EXPECT_EQ(mirror.started, expected);
  EXPECT_EQ(mirror.ended, expected);
  EXPECT_EQ(child.notifier, nullptr);
}

// The child has a table wherever the parent has one for what is copied (VmPTE), and is told
// nothing of the parent's other tables.
TEST_F(Fork, Tables) {
  map_at(page(0), 512 * 600);
  map_at(page(1 << 22), 1, kRw, MAP_SHARED | MAP_ANONYMOUS);
  touch(*mm, 0, 1, true);
  touch(*mm, 512 * 599, 1, true);
  touch(*mm, 1 << 22, 1, true);
  const std::uint64_t all = mm->tables().tables();
  const AddressSpace& child = fork();
  EXPECT_EQ(all, 7U);  // 1 + 2 + 2 and, for the shared page, 1 + 1
  EXPECT_EQ(child.tables().tables(), 5U);
}

// An exit pays once, whatever it had mapped, and nobody else's pages go.
TEST_F(Fork, ExitDropsTranslationsOnce) {
  map_at(page(0), 600);
  touch(*mm, 0, 600, true);
  const AddressSpace& child = fork();
  world.sink.batches.clear();
  const unsigned drops = world.sink.drops;
  const std::uint64_t free = world.frames.free_frames();
  exit(child);
  EXPECT_EQ(world.sink.drops, drops + 1);
  EXPECT_TRUE(world.sink.batches.empty());
  EXPECT_EQ(world.sink.free_at_drop, free);  // nothing was freed before it
  EXPECT_GT(world.frames.free_frames(), free);
  EXPECT_EQ(frame_in(*mm, page(0)).mapcount, 1);
  EXPECT_EQ(touch(*mm, 0, 600, true, FaultStep::kReuse), 600U);
}

class ForkModes : public ::testing::TestWithParam<PagingMode> {};

TEST_P(ForkModes, EveryPageThere) {
  testing::World world(GetParam());
  {
    auto parent = AddressSpace::create(world.env);
    const Gva top = parent->task_size() - 64 * kPageSize;
    for (const Gva at : {Gva(0x10000), Gva(0x7000'0000'0000), top}) {
      ASSERT_TRUE(do_mmap(*parent, {.address = at.raw(),
                                    .length = 64 * kPageSize,
                                    .prot = PROT_READ | PROT_WRITE,
                                    .flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_POPULATE}));
    }
    auto child = fork_address_space(*parent);
    ASSERT_TRUE(child);
    EXPECT_EQ((*child)->rss.total(), 192U);
    EXPECT_EQ((*child)->tables().tables(), parent->tables().tables());
    const AddressSpace* spaces[] = {parent.get(), child->get()};
    EXPECT_EQ(check_invariants(world.env, spaces).value_or(""), "");
  }
  EXPECT_EQ(world.frames.used_frames(), world.baseline);
}
INSTANTIATE_TEST_SUITE_P(EveryMode, ForkModes, ::testing::ValuesIn(kPagingModes));

}  // namespace
}  // namespace faultline::mmu
