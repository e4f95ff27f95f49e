// anon_vmas through splits, merges, moves, forks and exits: who is linked to what.
#include "mmu/backing/anon_vma.hpp"

#include "tests/unit/space/fork_fixture.hpp"

namespace faultline::mmu {
namespace {

class AnonVmas : public testing::ForkTest {
 protected:
  static const Vma& vma_at(const AddressSpace& space, std::uint64_t n) { return *space.vmas.lookup(Gva(page(n))); }
  static std::size_t links(const AddressSpace& space, std::uint64_t n) {
    return vma_at(space, n).anon_vma_chain.links().size();
  }
};

TEST_F(AnonVmas, FirstWriteMakesARoot) {
  map_at(page(0), 4);
  EXPECT_EQ(vma_at(*mm, 0).anon_vma, nullptr);
  touch(*mm, 0, 1, false);
  EXPECT_EQ(vma_at(*mm, 0).anon_vma, nullptr);  // the zero page needs none
  touch(*mm, 0, 1, true);
  const AnonVma* root = vma_at(*mm, 0).anon_vma;
  ASSERT_NE(root, nullptr);
  EXPECT_EQ(root->root, root);
  EXPECT_EQ(root->parent, root);
  EXPECT_EQ(root->num_children, 1U);  // itself
  EXPECT_EQ(root->num_active_vmas, 1U);
  EXPECT_EQ(frame_in(*mm, page(0)).anon_vma(), root);
}

TEST_F(AnonVmas, SplitSharesIt) {
  map_at(page(0), 4);
  touch(*mm, 0, 1, true);
  const AnonVma* root = vma_at(*mm, 0).anon_vma;
  ASSERT_TRUE(do_mprotect(*mm, page(1), kPageSize, PROT_READ));
  EXPECT_EQ(root->num_active_vmas, 3U);
  EXPECT_EQ(root->vmas.size(), 3U);
  ASSERT_TRUE(do_mprotect(*mm, page(1), kPageSize, kRw));
  EXPECT_EQ(root->num_active_vmas, 1U);
  check();
}

TEST_F(AnonVmas, MergeTakesItOver) {
  map_at(page(0), 2);
  touch(*mm, 0, 1, true);
  ASSERT_TRUE(do_mprotect(*mm, page(0), 2 * kPageSize, PROT_READ));
  map_at(page(2), 2);
  const AnonVma* root = vma_at(*mm, 0).anon_vma;
  EXPECT_EQ(vma_at(*mm, 2).anon_vma, nullptr);
  ASSERT_TRUE(do_mprotect(*mm, page(0), 2 * kPageSize, kRw));
  EXPECT_EQ(mm->vmas.size(), 1U);
  EXPECT_EQ(vma_at(*mm, 2).anon_vma, root);
  EXPECT_EQ(root->num_active_vmas, 1U);
  check();
}

TEST_F(AnonVmas, ForkAddsOne) {
  map_at(page(0), 2);
  touch(*mm, 0, 2, true);
  AddressSpace& child = fork();
  const AnonVma* root = vma_at(*mm, 0).anon_vma;
  const AnonVma* own = vma_at(child, 0).anon_vma;
  EXPECT_EQ(links(*mm, 0), 1U);
  EXPECT_EQ(links(child, 0), 2U);
  EXPECT_EQ(own->parent, root);
  EXPECT_EQ(own->root, root);
  EXPECT_EQ(root->num_children, 2U);
  EXPECT_EQ(root->vmas.size(), 2U);
  // New pages are the child's own; those inherited stay the root's.
  touch(child, 0, 1, true);
  EXPECT_EQ(frame_in(child, page(0)).anon_vma(), own);
  EXPECT_EQ(frame_in(child, page(1)).anon_vma(), root);
  const AddressSpace& grandchild = fork(child);
  EXPECT_EQ(links(grandchild, 0), 3U);
  EXPECT_EQ(vma_at(grandchild, 0).anon_vma->parent, own);
  EXPECT_EQ(vma_at(grandchild, 0).anon_vma->root, root);
}

// A VMA without pages of its own has nothing to inherit.
TEST_F(AnonVmas, ForkOfAnUntouchedVma) {
  map_at(page(0), 2);
  const AddressSpace& child = fork();
  EXPECT_EQ(links(child, 0), 0U);
  EXPECT_EQ(vma_at(child, 0).anon_vma, nullptr);
}

// A server that forks itself over and over, each parent gone after its child came: the third
// generation on reuses what nobody uses any more.
TEST_F(AnonVmas, ChainsStayShortOverGenerations) {
  map_at(page(0), 2);
  touch(*mm, 0, 2, true);
  const AddressSpace* last = &fork();
  mm.reset();
  std::size_t longest = 0;
  for (int generation = 0; generation < 50; ++generation) {
    AddressSpace& next = fork(const_cast<AddressSpace&>(*last));
    exit(*last);
    last = &next;
    touch(next, 0, 1, true);
    longest = std::max(longest, links(next, 0));
  }
  EXPECT_EQ(longest, 3U);
}

// The root is reused by nobody: its pages may be anybody's.
TEST_F(AnonVmas, ARootIsNeverReused) {
  map_at(page(0), 1);
  touch(*mm, 0, 1, true);
  const AnonVma* root = vma_at(*mm, 0).anon_vma;
  AddressSpace& child = fork();
  mm.reset();
  check_all();
  EXPECT_EQ(root->num_active_vmas, 0U);
  const AddressSpace& grandchild = fork(child);
  EXPECT_NE(vma_at(grandchild, 0).anon_vma, root);
}

// Linux list_is_singular: what a fork made is not merged with what has no pages.
TEST_F(AnonVmas, AForkedVmaMergesWithNothingNew) {
  map_at(page(0), 2);
  touch(*mm, 0, 1, true);
  AddressSpace& child = fork();
  const auto extend = [](AddressSpace& space) {
    return do_mmap(space, {.address = page(2), .length = kPageSize, .prot = kRw, .flags = kAnon | MAP_FIXED});
  };
  ASSERT_TRUE(extend(*mm));
  ASSERT_TRUE(extend(child));
  EXPECT_EQ(mm->vmas.size(), 1U);
  EXPECT_EQ(child.vmas.size(), 2U);
  // Nor does the new one share the forked one's anon_vma once it is written.
  touch(child, 2, 1, true);
  EXPECT_NE(vma_at(child, 2).anon_vma, vma_at(child, 0).anon_vma);
  // Parts of a forked one are one again.
  ASSERT_TRUE(do_mprotect(child, page(1), kPageSize, PROT_READ));
  EXPECT_EQ(child.vmas.size(), 3U);
  ASSERT_TRUE(do_mprotect(child, page(1), kPageSize, kRw));
  EXPECT_EQ(child.vmas.size(), 2U);
  check_all();
}

TEST_F(AnonVmas, MoveTakesTheLinksAlong) {
  map_at(page(0), 4);
  touch(*mm, 0, 4, true);
  AddressSpace& child = fork();
  const Gfn frame = testing::entry_in(child, page(1)).frame();
  ASSERT_TRUE(do_mremap(child, page(1), kPageSize, kPageSize, MREMAP_MAYMOVE | MREMAP_FIXED, page(50)));
  EXPECT_EQ(links(child, 50), 2U);
  EXPECT_EQ(testing::entry_in(child, page(50)).frame(), frame);
  check_all();  // found by way of the anon_vma at its new address
  ASSERT_TRUE(do_mremap(child, page(50), kPageSize, kPageSize, MREMAP_MAYMOVE | MREMAP_FIXED, page(1)));
  EXPECT_EQ(child.vmas.size(), 1U);
  check_all();
}

TEST_F(AnonVmas, DontunmapLeavesTheSourceWithoutLinks) {
  map_at(page(0), 2);
  touch(*mm, 0, 2, true);
  ASSERT_TRUE(do_mremap(*mm, page(0), 2 * kPageSize, 2 * kPageSize,
                        MREMAP_MAYMOVE | MREMAP_FIXED | 4 /* MREMAP_DONTUNMAP */, page(50)));
  EXPECT_EQ(links(*mm, 0), 0U);
  EXPECT_EQ(links(*mm, 50), 1U);
  check();
}

}  // namespace
}  // namespace faultline::mmu
