// Whoever watches page-table edits can rebuild the tables from them alone, and from what VMA sets
// say of their changes the VMAs: after any operation, in every address space.
#include "mmu/ports/edit_observer.hpp"

#include <sys/mman.h>

#include <functional>
#include <random>

#include "mmu/space/fork.hpp"
#include "mmu/space/operations.hpp"
#include "mmu/space/zap.hpp"
#include "tests/unit/support/fault_fixture.hpp"

namespace faultline::mmu {
namespace {

// Entries that are not zero, by their address.
using Entries = std::map<std::uint64_t, std::uint64_t>;

class Mirror final : public EditObserver {
 public:
  void edited(Gfn root, const PteEdit& e) override {
    Entries& entries = roots[root];
    const auto known = entries.find(e.slot.raw());
    EXPECT_EQ(known == entries.end() ? 0 : known->second, e.before.raw()) << "an edit that was not told";
    e.after.none() ? void(entries.erase(e.slot.raw())) : void(entries[e.slot.raw()] = e.after.raw());
  }
  std::map<Gfn, Entries> roots;
};

void collect(const PhysMemory& memory, Gfn table, Level level, Entries& to) {
  for (unsigned i = 0; i < kEntriesPerTable; ++i) {
    const PteSlot slot(memory, table, i);
    const Pte entry = slot.load();
    if (entry.none()) continue;
    to[slot.address().raw()] = entry.raw();
    if (entry.kind(level) == PteKind::kTable) collect(memory, entry.frame(level), level - 1, to);
  }
}

class EditObserverTest : public FaultTest {
 protected:
  void SetUp() override {
    g.env.edits = &mirror_;
    mm = AddressSpace::create(g.env);
    FaultTest::SetUp();
  }
  void expect_same(const AddressSpace& space) {
    Entries live;
    collect(g.frames.memory(), space.tables().root(), levels(space.mode()), live);
    ASSERT_EQ(mirror_.roots[space.tables().root()], live);
  }
  Gva map(std::uint64_t pages, int prot = PROT_READ | PROT_WRITE, int flags = MAP_PRIVATE | MAP_ANONYMOUS,
          std::shared_ptr<FileMapping> of = nullptr) {
    const bool is_file = of != nullptr;
    MmapRequest request{.length = pages * kPageSize, .prot = prot, .flags = is_file ? flags & ~MAP_ANONYMOUS : flags};
    request.file = std::move(of);
    request.file_readable = request.file_writable = is_file;
    return *do_mmap(*mm, request);
  }

  Mirror mirror_;
};

TEST_P(EditObserverTest, EveryOperationIsTold) {
  const auto shared = file(FileKind::kRegular, 8 * kPageSize);
  const Gva memory = map(16), mapped = map(8, PROT_READ | PROT_WRITE, MAP_SHARED, shared);
  for (unsigned i = 0; i < 16; ++i) fault(memory + i * kPageSize, 6);
  for (unsigned i = 0; i < 8; ++i) fault(mapped + i * kPageSize, i % 2 == 0 ? 4 : 6);
  expect_same(*mm);
  ASSERT_TRUE(do_mprotect(*mm, memory.raw(), 4 * kPageSize, PROT_NONE));
  ASSERT_TRUE(do_mprotect(*mm, (memory + 4 * kPageSize).raw(), 2 * kPageSize, PROT_READ));
  expect_same(*mm);
  ASSERT_TRUE(do_madvise(*mm, (memory + 8 * kPageSize).raw(), 2 * kPageSize, MADV_DONTNEED));
  ASSERT_TRUE(do_madvise(*mm, (memory + 10 * kPageSize).raw(), kPageSize, MADV_COLD));
  expect_same(*mm);
  const auto moved = do_mremap(*mm, (memory + 12 * kPageSize).raw(), 4 * kPageSize, 8 * kPageSize, MREMAP_MAYMOVE, 0);
  ASSERT_TRUE(moved);
  expect_same(*mm);
  auto child = fork_address_space(*mm);
  ASSERT_TRUE(child);
  expect_same(*mm);
  expect_same(**child);
  fault(memory + 6 * kPageSize, 7);  // a copy
  expect_same(*mm);
  collect_dirty(*shared, Pgoff(0), Pgoff(7));
  unmap_file_range(*shared, Pgoff(4), Pgoff(7), PrivateCopies::kZapToo);
  expect_same(*mm);
  expect_same(**child);
  const Gfn root = (*child)->tables().root();
  child->reset();
  EXPECT_TRUE(mirror_.roots[root].empty()) << "exit takes every entry";
  ASSERT_TRUE(do_munmap(*mm, 0x10000, mm->task_size().raw() - 0x10000));
  expect_same(*mm);
  EXPECT_TRUE(mirror_.roots[mm->tables().root()].empty());
}

// VMAs as the changes say.
TEST_P(EditObserverTest, ChangedVmasAreNeverOutsideTheRangeThatIsTold) {
  using Snapshot = std::map<Gva, std::pair<Gva, std::uint32_t>>;
  const auto snapshot = [this] {
    Snapshot all;
    for (const auto& [start, vma] : mm->vmas) all[start] = {vma.end, vma.flags.raw()};
    return all;
  };
  std::mt19937 random(7);
  const Gva arena = map(64);
  ASSERT_TRUE(do_munmap(*mm, arena.raw(), 64 * kPageSize));
  mm->vmas.take_changes();
  Snapshot before = snapshot();
  unsigned changed = 0;
  for (unsigned round = 0; round < 2000; ++round) {
    const std::uint64_t at = arena.raw() + random() % 60 * kPageSize, bytes = (1 + random() % 12) * kPageSize;
    switch (random() % 6) {
      case 0:
      case 1:
        static_cast<void>(do_mmap(*mm, {.address = at,
                                        .length = bytes,
                                        .prot = random() % 2 ? PROT_READ : PROT_READ | PROT_WRITE,
                                        .flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED}));
        break;
      case 2: static_cast<void>(do_munmap(*mm, at, bytes)); break;
      case 3: static_cast<void>(do_mprotect(*mm, at, bytes, random() % 2 ? PROT_NONE : PROT_READ)); break;
      case 4: static_cast<void>(do_mremap(*mm, at, kPageSize, bytes, MREMAP_MAYMOVE, 0)); break;
      case 5: static_cast<void>(do_mlock(*mm, at, bytes, true)); break;
    }
    const VmaSet::Changes told = mm->vmas.take_changes();
    const Snapshot after = snapshot();
    for (const auto& [one, other] :
         {std::pair(std::cref(before), std::cref(after)), std::pair(std::cref(after), std::cref(before))}) {
      for (const auto& [start, vma] : one.get()) {
        const auto same = other.get().find(start);
        if (same != other.get().end() && same->second == vma) continue;
        ++changed;
        ASSERT_TRUE(told.start <= start && vma.first <= told.end) << round;
      }
    }
    before = after;
  }
  EXPECT_GT(changed, 1000U);
}

INSTANTIATE_TEST_SUITE_P(Modes, EditObserverTest, testing::ValuesIn(kPagingModes),
                         [](const auto& mode) { return mode.param == PagingMode::kFourLevel ? "four" : "five"; });

}  // namespace
}  // namespace faultline::mmu
