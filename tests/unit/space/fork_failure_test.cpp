// Memory runs out at each allocation of a fork, and of the faults after it: ENOMEM or the OOM
// outcome, nobody changed, nothing leaked.
#include "tests/unit/space/fork_fixture.hpp"

namespace faultline::mmu {
namespace {

using testing::access_in;
using testing::errno_of;

class ForkFailure : public testing::ForkTest {
 protected:
  // Everything of the parent's that a failed fork must leave alone, W of private pages apart.
  std::string portrait() const {
    std::string text = layout();
    for (const auto& [start, vma] : mm->vmas) {
      text += ' ' + std::to_string(vma.anon_vma_chain.links().size());
      for (Gva at = start; at < vma.end; at = at + kPageSize)
        if (const Pte entry = entry_at(at.raw()); !entry.none())
          text += ' ' + entry.without(Pte::kWrite).describe(1) + ' ' +
                  std::to_string(world.frames.at(entry.frame()).mapcount);
    }
    return text + ' ' + std::to_string(mm->rss.total()) + ' ' + std::to_string(mm->total_vm) + ' ' +
           std::to_string(mm->tables().tables());
  }
  void populate() {
    // Four page tables and two of their parents, several VMAs, a file between.
    map_at(page(0), 8);
    map_at(page(600), 8);
    map_file_at(page(1200), 8, world.file(FileKind::kRegular, 8 * kPageSize), kRw, MAP_PRIVATE);
    map_at(page(512 * 512), 8);
    touch(*mm, 0, 8, true);
    touch(*mm, 600, 4, true);
    touch(*mm, 604, 4, false);
    touch(*mm, 1200, 8, false);
    touch(*mm, 1203, 2, true);
    touch(*mm, 512 * 512, 8, true);
  }
};

TEST_F(ForkFailure, EveryAllocationInTurn) {
  populate();
  const std::string before = portrait();
  const std::uint64_t used = world.frames.used_frames();
  std::uint64_t n = 1;
  for (;; ++n) {
    world.frames.fail_nth(n);
    auto forked = fork_address_space(*mm);
    const bool reached = world.frames.used_frames() == used;
    world.frames.fail_nth(0);
    if (forked) {
      EXPECT_FALSE(reached);
      children.push_back(std::move(*forked));
      break;
    }
    EXPECT_EQ(forked.error().value(), ENOMEM);
    EXPECT_EQ(portrait(), before) << "allocation " << n;
    EXPECT_EQ(world.frames.used_frames(), used) << "allocation " << n;
    check_all();
    // Sole owner: every write goes through, in place.
    touch(*mm, 0, 8, true);
    EXPECT_EQ(portrait(), before);
  }
  // The root, and every table of the parent's.
  EXPECT_EQ(n - 1, 1 + mm->tables().tables());
}

TEST_F(ForkFailure, CommitLimit) {
  map_at(page(0), 8);
  touch(*mm, 0, 8, true);
  const std::uint64_t used = world.frames.used_frames();
  mm->limits.commit_pages = 7;
  EXPECT_EQ(errno_of(fork_address_space(*mm)), ENOMEM);
  EXPECT_EQ(world.frames.used_frames(), used);
  check_all();
}

// Host memory for VMAs and their links is bounded: forks in depth, and splits in the depth.
TEST_F(ForkFailure, MetadataLimit) {
  map_at(page(0), 64);
  touch(*mm, 0, 64, true);
  const std::int64_t before = world.frames.metadata_bytes();
  EXPECT_GT(before, 0);
  world.frames.set_metadata_limit(64 << 10);
  AddressSpace* last = mm.get();
  SysResult<std::shared_ptr<AddressSpace>> child = nullptr;
  unsigned depth = 0;
  for (; (child = fork_address_space(*last)); ++depth) {
    children.push_back(std::move(*child));
    last = children.back().get();
    ASSERT_LT(depth, 200U);
  }
  EXPECT_EQ(child.error().value(), ENOMEM);
  EXPECT_GT(depth, 10U);
  int error = 0;
  for (std::uint64_t i = 1; i < 64 && error == 0; i += 2)
    error = errno_of(do_mprotect(*last, page(i), kPageSize, PROT_READ));
  EXPECT_EQ(error, ENOMEM);
  EXPECT_EQ(errno_of(do_mmap(*last, {.address = page(100), .length = kPageSize, .prot = 0, .flags = kAnon})), ENOMEM);
  EXPECT_LT(world.frames.metadata_bytes(), 72 << 10);
  check_all();
  children.clear();
  EXPECT_EQ(world.frames.metadata_bytes(), before);
  fork();
}

// A copy that gets no frame leaves the shared page where it was, for both.
TEST_F(ForkFailure, CopyOnWrite) {
  map_at(page(0), 1);
  write_at(page(0));
  byte_at(page(0)) = std::byte{5};
  AddressSpace& child = fork();
  const std::uint64_t used = world.frames.used_frames();
  world.frames.fail_nth(1);
  EXPECT_EQ(access_in(child, page(0), true).result, FaultResult::kOutOfMemory);
  EXPECT_EQ(world.frames.used_frames(), used);
  check_all();
  EXPECT_EQ(byte_in(child, page(0)), std::byte{5});
  EXPECT_EQ(frame_in(child, page(0)).mapcount, 2);
  touch(child, 0, 1, true, FaultStep::kCopy);
}

// The VMA keeps the anon_vma that it was given before the frame could not be had.
TEST_F(ForkFailure, FirstWrite) {
  map_at(page(0), 1);
  read_at(page(0));
  world.frames.fail_nth(1);
  EXPECT_EQ(access(page(0), true).result, FaultResult::kOutOfMemory);
  check_all();
  EXPECT_TRUE(entry_at(page(0)).special());
  EXPECT_NE(mm->vmas.lookup(Gva(page(0)))->anon_vma, nullptr);
  touch(*mm, 0, 1, true, FaultStep::kCopy);
}

}  // namespace
}  // namespace faultline::mmu
