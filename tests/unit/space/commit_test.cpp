// What was promised under vm.overcommit_memory 2: by whom it is counted, and that every way out, errors included,
// leaves the account with what the areas and the shared memory there are stand for.
#include <random>
#include <set>

#include "tests/unit/space/fork_fixture.hpp"

namespace faultline::mmu {
namespace {

using testing::errno_of;

class Commit : public testing::ForkTest {
 protected:
  static constexpr std::uint64_t kOthers = 10;  // promised to who is not looked at here
  static constexpr int kSharedAnon = MAP_SHARED | MAP_ANONYMOUS;

  void SetUp() override {
    world.env.commit = &account;
    become({});
    mm->limits.overcommit = Overcommit::kNever;
    mm->limits.user_reserve_pages = 0;
  }
  void TearDown() override {
    EXPECT_EQ(account.committed, kOthers + promised());
    ForkTest::TearDown();
    EXPECT_EQ(account.committed, kOthers);
  }
  // Pages that all the areas stand for, and each piece of shared memory once.
  std::uint64_t promised() const {
    std::uint64_t pages = 0;
    std::set<const FileMapping*> shared;
    const auto count = [&](const AddressSpace& space) {
      for (const auto& [start, vma] : space.vmas) {
        if (vma.flags.has(VmFlags::kAccount)) pages += vma.pages();
        if (vma.file && vma.file->kind() == FileKind::kShmem && shared.insert(vma.file.get()).second)
          pages += vma.file->size_in_pages();
      }
    };
    if (mm) count(*mm);
    for (const auto& child : children) count(*child);
    return pages;
  }

  CommitAccount account{.limit = 1000, .committed = kOthers};
};

TEST_F(Commit, ForkPromisesTheChildAsMuch) {
  map_at(page(0), 20);
  map_at(page(100), 5);
  map_at(page(200), 3);
  map_at(page(300), 50, PROT_READ);
  ASSERT_TRUE(do_madvise(*mm, page(100), 5 * kPageSize, MADV_DONTFORK));
  ASSERT_TRUE(do_madvise(*mm, page(200), 3 * kPageSize, MADV_WIPEONFORK));
  EXPECT_EQ(account.committed, kOthers + 28);
  AddressSpace& child = fork();
  EXPECT_EQ(account.committed, kOthers + 28 + 23);
  AddressSpace& grandchild = fork(child);
  EXPECT_EQ(account.committed, kOthers + 28 + 23 + 23);
  ASSERT_TRUE(do_munmap(child, page(5), 10 * kPageSize));
  EXPECT_EQ(account.committed, kOthers + 28 + 13 + 23);
  exit(child);
  exit(grandchild);
  EXPECT_EQ(account.committed, kOthers + 28);
}

// The second of two areas is one page too many: the first one's promise is taken back too.
TEST_F(Commit, RefusedForkPromisesNothing) {
  map_at(page(0), 10);
  map_at(page(50), 5);
  map_at(page(100), 30);
  ASSERT_TRUE(do_madvise(*mm, page(50), 5 * kPageSize, MADV_DONTFORK));
  touch(*mm, 0, 10, true);
  account.limit = kOthers + 45 + 40;
  EXPECT_EQ(errno_of(fork_address_space(*mm)), ENOMEM);
  EXPECT_EQ(account.committed, kOthers + 45);
  account.limit += 1;
  fork();
  EXPECT_EQ(account.committed, kOthers + 45 + 40);
}

TEST_F(Commit, ForkWithoutFramesPromisesNothing) {
  map_at(page(0), 10);
  map_at(page(600), 10);
  map_at(page(1200), 4, kRw, kSharedAnon);
  touch(*mm, 0, 10, true);
  touch(*mm, 600, 10, true);
  bool forked = false;
  for (std::uint64_t n = 1; !forked; ++n) {
    world.frames.fail_nth(n);
    forked = fork_address_space(*mm).has_value();  // a child ends at once
    world.frames.fail_nth(0);
    EXPECT_EQ(account.committed, kOthers + 24) << "allocation " << n;
    ASSERT_LT(n, 50U);
  }
}

// Shared memory is promised in whole, once, until nobody maps any of it.
TEST_F(Commit, SharedMemoryIsPromisedUntilNobodyHasIt) {
  map_at(page(0), 20, kRw, kSharedAnon);
  map_at(page(50), 7, PROT_READ, kSharedAnon | MAP_NORESERVE);  // which means nothing under 2
  EXPECT_EQ(account.committed, kOthers + 27);
  AddressSpace& child = fork();
  EXPECT_EQ(account.committed, kOthers + 27);
  ASSERT_TRUE(do_mprotect(*mm, page(0), 5 * kPageSize, PROT_READ));
  ASSERT_TRUE(do_mremap(*mm, page(0), 0, 20 * kPageSize, MREMAP_MAYMOVE, 0));
  ASSERT_TRUE(do_mremap(*mm, page(50), 7 * kPageSize, 9 * kPageSize, MREMAP_MAYMOVE, 0));
  EXPECT_EQ(account.committed, kOthers + 27);
  ASSERT_TRUE(do_munmap(*mm, 0, mm->task_size().raw()));
  ASSERT_TRUE(do_munmap(child, page(1), 100 * kPageSize));
  EXPECT_EQ(account.committed, kOthers + 20);
  exit(child);
  EXPECT_EQ(account.committed, kOthers);
}

TEST_F(Commit, SharedMemoryAddsUpToTheLimit) {
  account.limit = kOthers + 51;
  map_at(page(0), 30, kRw, kSharedAnon);
  EXPECT_EQ(errno_of(map(0, 21 * kPageSize, kRw, kSharedAnon)), ENOMEM);
  EXPECT_EQ(errno_of(map(0, 21 * kPageSize, kRw, kAnon)), ENOMEM);
  EXPECT_EQ(account.committed, kOthers + 30);
  map_at(page(50), 20, kRw, kSharedAnon);
  EXPECT_EQ(account.committed, kOthers + 50);
}

// Shared memory is asked for while what it replaces is promised still; refused, it leaves a gap.
TEST_F(Commit, RefusedSharedMemoryLeavesAGap) {
  account.limit = kOthers + 51;
  map_at(page(0), 30);
  EXPECT_EQ(errno_of(map(page(5), 21 * kPageSize, kRw, kSharedAnon | MAP_FIXED)), ENOMEM);
  EXPECT_EQ(layout(), "0-5 rw-p 26-30 rw-p");
  EXPECT_EQ(account.committed, kOthers + 9);
}

// What is replaced was promised already: only the rest is new (map->charged).
TEST_F(Commit, ReplacementAsksForTheDifference) {
  account.limit = kOthers + 51;
  map_at(page(0), 40);
  map_at(page(0), 40, PROT_READ | PROT_WRITE | PROT_EXEC);
  EXPECT_EQ(account.committed, kOthers + 40);
  EXPECT_EQ(errno_of(map(page(10), 41 * kPageSize, kRw, kAnon | MAP_FIXED)), ENOMEM);
  EXPECT_EQ(account.committed, kOthers + 40);
  map_at(page(10), 40);
  EXPECT_EQ(account.committed, kOthers + 50);
  account.limit = kOthers;  // no question asked where nothing is added
  map_at(page(0), 50);
  EXPECT_EQ(account.committed, kOthers + 50);
}

// A file system refuses when the mapping was granted its memory already.
TEST_F(Commit, MmapRefusedByTheFile) {
  map_at(page(0), 4);
  const MmapRequest request{.address = page(2),
                            .length = 8 * kPageSize,
                            .prot = kRw,
                            .flags = MAP_PRIVATE | MAP_FIXED | MAP_SYNC,
                            .file = world.file(FileKind::kRegular, 8 * kPageSize)};
  EXPECT_EQ(errno_of(do_mmap(*mm, request)), EOPNOTSUPP);
  EXPECT_EQ(account.committed, kOthers + 2);
}

TEST_F(Commit, MremapWithoutTables) {
  map_at(page(0), 8);
  touch(*mm, 0, 8, true);
  for (const int flags : {MREMAP_MAYMOVE | MREMAP_FIXED, MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP}) {
    world.frames.fail_nth(1);
    const std::uint64_t length = ((flags & MREMAP_DONTUNMAP) != 0 ? 8 : 12) * kPageSize;
    EXPECT_EQ(errno_of(do_mremap(*mm, page(0), 8 * kPageSize, length, flags, page(512 * 512))), ENOMEM);
    world.frames.fail_nth(0);
    EXPECT_EQ(layout(), "0-8 rw-p");
    EXPECT_EQ(account.committed, kOthers + 8);
  }
}

TEST_F(Commit, MremapPastTheLimit) {
  account.limit = kOthers + 20;
  map_at(page(0), 8);
  map_at(page(20), 1, PROT_NONE);
  const std::uint64_t eight = 8 * kPageSize;
  const int move = MREMAP_MAYMOVE | MREMAP_FIXED;
  EXPECT_EQ(errno_of(do_mremap(*mm, page(0), eight, 20 * kPageSize, 0, 0)), ENOMEM);               // in place
  EXPECT_EQ(errno_of(do_mremap(*mm, page(0), eight, 24 * kPageSize, MREMAP_MAYMOVE, 0)), ENOMEM);  // elsewhere
  EXPECT_EQ(account.committed, kOthers + 8);
  EXPECT_TRUE(do_mremap(*mm, page(0), eight, eight, move | MREMAP_DONTUNMAP, page(100)));
  EXPECT_EQ(account.committed, kOthers + 16);
  EXPECT_EQ(errno_of(do_mremap(*mm, page(0), eight, eight, move | MREMAP_DONTUNMAP, page(200))), ENOMEM);
  EXPECT_TRUE(do_mremap(*mm, page(0), eight, eight, move, page(200)));
  EXPECT_EQ(account.committed, kOthers + 16);
}

// A source that cannot be cut out of its area, for want of a VMA, stays, and so does its promise.
TEST_F(Commit, MremapThatLeavesItsSource) {
  map_at(page(0), 9);
  touch(*mm, 0, 9, true);
  world.frames.set_metadata_limit(static_cast<std::uint64_t>(world.frames.metadata_bytes()));
  EXPECT_TRUE(do_mremap(*mm, page(3), 3 * kPageSize, 5 * kPageSize, MREMAP_MAYMOVE | MREMAP_FIXED, page(20)));
  EXPECT_EQ(layout(), "0-9 rw-p 20-25 rw-p");
  EXPECT_EQ(account.committed, kOthers + 14);
  EXPECT_EQ(errno_of(do_munmap(*mm, page(1), kPageSize)), ENOMEM);
  EXPECT_EQ(account.committed, kOthers + 14);
}

// Granted, then no VMA can be had for the part that changes.
TEST_F(Commit, MprotectThatCannotSplit) {
  map_at(page(0), 9, PROT_READ);
  map_at(page(20), 9);
  for (const std::uint64_t room : {0U, 1U}) {
    mm->limits.max_map_count = mm->vmas.size() + room;
    EXPECT_EQ(errno_of(do_mprotect(*mm, page(3), 3 * kPageSize, kRw)), ENOMEM);
    mm->limits.max_map_count = mm->vmas.size() + room;
    EXPECT_EQ(errno_of(do_mprotect(*mm, page(23), 3 * kPageSize, PROT_READ)), ENOMEM);
    EXPECT_EQ(account.committed, kOthers + 9);
  }
}

TEST_F(Commit, StackAndHeapPastTheLimit) {
  account.limit = kOthers + 10;
  map_at(page(1000), 2, kRw, kAnon | MAP_GROWSDOWN);
  EXPECT_FALSE(access(page(990), true).resolved());
  EXPECT_EQ(account.committed, kOthers + 2);
  write_at(page(996));
  EXPECT_EQ(account.committed, kOthers + 6);
  mm->start_brk = mm->brk = Gva(page(2000));
  EXPECT_EQ(do_brk(*mm, page(2004)), Gva(page(2000)));
  EXPECT_EQ(do_brk(*mm, page(2003)), Gva(page(2003)));
  EXPECT_EQ(account.committed, kOthers + 9);
  do_brk(*mm, page(2001));
  EXPECT_EQ(account.committed, kOthers + 7);
}

// Everything at random close to the limits of promises, VMAs and frames.
TEST_F(Commit, BalancesWhateverFails) {
  std::mt19937 random(20261120);  // NOLINT: the same every time
  const auto below = [&](std::uint64_t n) { return std::uint64_t{random()} % n; };
  account.limit = 260;
  mm->limits.max_map_count = 20;
  constexpr int kProts[] = {kRw, PROT_READ, PROT_NONE};
  unsigned failed = 0;
  for (unsigned step = 0; step < 4000; ++step) {
    AddressSpace& space = children.empty() || below(2) == 0 ? *mm : *children[below(children.size())];
    const std::uint64_t at = page(490 + below(60)), length = (1 + below(12)) * kPageSize;
    const int prot = kProts[below(3)];
    if (below(8) == 0) world.frames.fail_nth(1 + below(4));
    int error = 0;
    switch (below(8)) {
      case 0:
      case 1: {
        const int flags = (below(4) == 0 ? kSharedAnon : kAnon) | MAP_FIXED;
        error = errno_of(do_mmap(space, {.address = at, .length = length, .prot = prot, .flags = flags}));
        break;
      }
      case 2: error = errno_of(do_munmap(space, at, length)); break;
      case 3: error = errno_of(do_mprotect(space, at, length, prot)); break;
      case 4: {
        const int keep = below(3) == 0 ? MREMAP_DONTUNMAP : 0;
        const std::uint64_t more = keep == 0 ? below(4) * kPageSize : 0;
        const std::uint64_t to = page(490 + below(60));
        error = errno_of(do_mremap(space, at, length, length + more, MREMAP_MAYMOVE | MREMAP_FIXED | keep, to));
        break;
      }
      case 5: error = errno_of(do_mremap(space, at, kPageSize, length, MREMAP_MAYMOVE, 0)); break;
      case 6:
        if (children.size() == 3) {
          children.erase(children.begin() + static_cast<std::ptrdiff_t>(below(3)));
        } else if (auto child = fork_address_space(space); child) {
          children.push_back(std::move(*child));
        } else {
          error = child.error().value();
        }
        break;
      default: static_cast<void>(testing::access_in(space, at, true)); break;
    }
    world.frames.fail_nth(0);
    if (error == ENOMEM) ++failed;
    ASSERT_EQ(account.committed, kOthers + promised()) << "step " << step;
    if (step % 64 == 0) check_all();
  }
  EXPECT_GT(failed, 100U);
}

}  // namespace
}  // namespace faultline::mmu
