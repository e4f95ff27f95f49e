#include "tests/unit/space/fixture.hpp"

namespace faultline::mmu {
namespace {

using testing::errno_of;

class Pkeys : public testing::SpaceTest {
 protected:
  void with_keys() {
    mm.reset();
    world.env.protection_keys = true;
    mm = AddressSpace::create(world.env);
  }
};

// As a CPU without PKU answers: the first request finds out late, and loses its key.
TEST_F(Pkeys, WithoutKeysInTheCpu) {
  map_at(page(0), 1);
  EXPECT_EQ(errno_of(do_pkey_alloc(*mm, 1, 0)), EINVAL);
  EXPECT_EQ(errno_of(do_pkey_alloc(*mm, 0, 4)), EINVAL);
  EXPECT_EQ(errno_of(do_pkey_alloc(*mm, 0, 0)), EINVAL);
  EXPECT_EQ(errno_of(do_pkey_alloc(*mm, 0, 0)), ENOSPC);
  for (const int key : {-1, 0, 1, 16}) EXPECT_EQ(errno_of(do_pkey_free(*mm, key)), EINVAL);
  for (const int key : {-2, 0, 1}) EXPECT_EQ(errno_of(do_mprotect(*mm, page(0), kPageSize, kRw, key)), EINVAL) << key;
  EXPECT_TRUE(do_mprotect(*mm, page(0), kPageSize, kRw, kNoPkey));
  EXPECT_TRUE(do_mprotect(*mm, page(0), 0, kRw, 1));
}

TEST_F(Pkeys, AreHandedOutLowestFirst) {
  with_keys();
  for (int key = 1; key < 16; ++key) EXPECT_EQ(do_pkey_alloc(*mm, 0, 0), key);
  EXPECT_EQ(errno_of(do_pkey_alloc(*mm, 0, 0)), ENOSPC);
  EXPECT_TRUE(do_pkey_free(*mm, 5));
  EXPECT_EQ(errno_of(do_pkey_free(*mm, 5)), EINVAL);
  EXPECT_EQ(do_pkey_alloc(*mm, 0, 3), 5);
}

TEST_F(Pkeys, SplitAreasAndReachTheirEntries) {
  with_keys();
  map_at(page(0), 3);
  write_at(page(1));
  const int key = do_pkey_alloc(*mm, 0, 0).value();
  EXPECT_EQ(errno_of(do_mprotect(*mm, page(1), kPageSize, kRw, key + 1)), EINVAL);
  EXPECT_TRUE(do_mprotect(*mm, page(1), kPageSize, kRw, key));
  check();
  EXPECT_EQ(layout(), "0-1 rw-p 1-2 rw-p 2-3 rw-p");
  EXPECT_EQ(entry_at(page(1)).raw() >> 59 & 0xf, static_cast<std::uint64_t>(key));
  EXPECT_TRUE(entry_at(page(1)).writable());
  // mprotect keeps the key, key 0 takes it away and the areas are one again.
  EXPECT_TRUE(do_mprotect(*mm, page(1), kPageSize, PROT_READ));
  EXPECT_EQ(mm->vmas.lookup(Gva(page(1)))->flags.pkey(), static_cast<unsigned>(key));
  EXPECT_TRUE(do_mprotect(*mm, page(1), kPageSize, kRw, 0));
  EXPECT_EQ(layout(), "0-3 rw-p");
}

}  // namespace
}  // namespace faultline::mmu
