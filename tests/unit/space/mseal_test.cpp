#include "tests/unit/space/fixture.hpp"

namespace faultline::mmu {
namespace {

using testing::errno_of;

class Mseal : public testing::SpaceTest {
 protected:
  int seal(std::uint64_t n, std::uint64_t pages) {
    const auto result = do_mseal(*mm, page(n), pages * kPageSize, 0);
    check();
    return errno_of(result);
  }
};

TEST_F(Mseal, Arguments) {
  map_at(page(0), 2);
  EXPECT_EQ(errno_of(do_mseal(*mm, page(0), kPageSize, 1)), EINVAL);
  EXPECT_EQ(errno_of(do_mseal(*mm, page(0) + 1, kPageSize, 0)), EINVAL);
  EXPECT_EQ(errno_of(do_mseal(*mm, page(0) + 1, 0, 0)), EINVAL);
  EXPECT_EQ(errno_of(do_mseal(*mm, page(0), ~0ULL, 0)), EINVAL);
  EXPECT_EQ(errno_of(do_mseal(*mm, page(0), 1ULL << 63, 0)), ENOMEM);
  EXPECT_EQ(errno_of(do_mseal(*mm, page(0), 0, 0)), 0);
  EXPECT_EQ(seal(1, 2), ENOMEM);  // a hole: nothing is sealed
  EXPECT_FALSE(mm->vmas.lookup(Gva(page(1)))->flags.has(VmFlags::kSealed));
}

TEST_F(Mseal, WhatIsSealedStaysAsItIs) {
  map_at(page(0), 4);
  write_at(page(1));
  EXPECT_EQ(seal(1, 2), 0);
  EXPECT_EQ(seal(1, 1), 0);
  EXPECT_EQ(layout(), "0-1 rw-p 1-3 rw-p 3-4 rw-p");
  EXPECT_EQ(errno_of(do_munmap(*mm, page(1), kPageSize)), EPERM);
  EXPECT_EQ(errno_of(do_mprotect(*mm, page(1), kPageSize, kRw)), EPERM);
  EXPECT_EQ(errno_of(do_mremap(*mm, page(1), kPageSize, kPageSize, 0, 0)), EPERM);
  EXPECT_EQ(errno_of(map(page(1), kPageSize, kRw, kAnon | MAP_FIXED)), EPERM);
  map_at(page(8), 1);
  EXPECT_EQ(errno_of(do_mremap(*mm, page(8), kPageSize, kPageSize, MREMAP_MAYMOVE | MREMAP_FIXED, page(2))), EPERM);
  // What could be written anyway may be discarded.
  EXPECT_EQ(errno_of(do_madvise(*mm, page(1), kPageSize, MADV_DONTNEED)), 0);
  check();
}

TEST_F(Mseal, ReadOnlyMemoryIsNotDiscarded) {
  map_at(page(0), 1, PROT_READ);
  EXPECT_EQ(seal(0, 1), 0);
  for (const int advice : {MADV_DONTNEED, MADV_FREE, MADV_DONTFORK, MADV_WIPEONFORK, 24, 102})
    EXPECT_EQ(errno_of(do_madvise(*mm, page(0), kPageSize, advice)), EPERM) << advice;
  for (const int advice : {MADV_COLD, MADV_NORMAL, MADV_WILLNEED, 103})
    EXPECT_EQ(errno_of(do_madvise(*mm, page(0), kPageSize, advice)), 0) << advice;
}

TEST_F(Mseal, UnmappingStopsAtTheSealAndKeepsItsCuts) {
  map_at(page(0), 4);
  map_at(page(4), 2, PROT_READ);
  EXPECT_EQ(seal(4, 1), 0);
  EXPECT_EQ(errno_of(do_munmap(*mm, page(2), 3 * kPageSize)), EPERM);
  EXPECT_EQ(layout(), "0-2 rw-p 2-4 rw-p 4-5 r--p 5-6 r--p");
}

TEST_F(Mseal, TooManyMaps) {
  map_at(page(0), 3);
  mm->limits.max_map_count = mm->vmas.size();
  EXPECT_EQ(seal(1, 1), ENOMEM);
}

}  // namespace
}  // namespace faultline::mmu
