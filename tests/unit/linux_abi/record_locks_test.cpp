#include "vmm/linux_abi/record_locks.hpp"

#include <gtest/gtest.h>

namespace faultline::test {
namespace {

using vmm::linux_abi::RecordLock;
using vmm::linux_abi::RecordLocks;
using Kind = RecordLock::Kind;

constexpr mmu::FileId kFile{1, 2};
const int kA = 1, kB = 2, kC = 3;  // owners are told apart by address

RecordLock lock(const int& owner, Kind kind, std::uint64_t first, std::uint64_t last) {
  return {.kind = kind, .first = first, .last = last, .owner = &owner, .pid = 1};
}

TEST(RecordLocks, ReadersShareAndWritersDoNot) {
  RecordLocks locks;
  locks.set(kFile, lock(kA, Kind::kRead, 0, 9));
  EXPECT_FALSE(locks.conflict(kFile, lock(kB, Kind::kRead, 0, 9)));
  EXPECT_TRUE(locks.conflict(kFile, lock(kB, Kind::kWrite, 9, 20)));
  EXPECT_FALSE(locks.conflict(kFile, lock(kB, Kind::kWrite, 10, 20)));
  EXPECT_FALSE(locks.conflict(kFile, lock(kA, Kind::kWrite, 0, 9)));  // one's own is in nobody's way
  EXPECT_FALSE(locks.conflict({1, 3}, lock(kB, Kind::kWrite, 0, 9)));
}

TEST(RecordLocks, UnlockingTheMiddleLeavesTheEnds) {
  RecordLocks locks;
  locks.set(kFile, lock(kA, Kind::kWrite, 0, RecordLock::kToTheEnd));
  locks.unlock(kFile, &kA, 10, 19);
  const auto below = locks.conflict(kFile, lock(kB, Kind::kRead, 0, 19));
  const auto above = locks.conflict(kFile, lock(kB, Kind::kRead, 10, 20));
  ASSERT_TRUE(below && above);
  EXPECT_EQ(below->last, 9u);
  EXPECT_EQ(above->first, 20u);
  EXPECT_EQ(above->last, RecordLock::kToTheEnd);
  EXPECT_FALSE(locks.conflict(kFile, lock(kB, Kind::kWrite, 10, 19)));
}

TEST(RecordLocks, NeighboursOfOneKindBecomeOne) {
  RecordLocks locks;
  locks.set(kFile, lock(kA, Kind::kWrite, 0, 9));
  locks.set(kFile, lock(kA, Kind::kWrite, 20, 29));
  locks.set(kFile, lock(kA, Kind::kWrite, 10, 19));
  const auto all = locks.conflict(kFile, lock(kB, Kind::kRead, 15, 15));
  ASSERT_TRUE(all);
  EXPECT_EQ(all->first, 0u);
  EXPECT_EQ(all->last, 29u);
  locks.set(kFile, lock(kA, Kind::kRead, 5, 14));  // a part changes its kind
  EXPECT_FALSE(locks.conflict(kFile, lock(kB, Kind::kRead, 5, 14)));
  EXPECT_TRUE(locks.conflict(kFile, lock(kB, Kind::kRead, 4, 14)));
}

TEST(RecordLocks, AllOfAnOwnerEndTogether) {
  RecordLocks locks;
  locks.set(kFile, lock(kA, Kind::kWrite, 0, 9));
  locks.set({1, 3}, lock(kA, Kind::kWrite, 0, 9));
  int told = 0;
  locks.on_release = [&told] { ++told; };
  locks.release_all(&kB);
  EXPECT_EQ(told, 0);
  locks.release_all(&kA);
  EXPECT_EQ(told, 1);
  EXPECT_FALSE(locks.conflict(kFile, lock(kB, Kind::kWrite, 0, 9)));
}

TEST(RecordLocks, ACircleOfWaitersIsRefused) {
  RecordLocks locks;
  EXPECT_TRUE(locks.wait_for(&kA, &kB));
  EXPECT_TRUE(locks.wait_for(&kB, &kC));
  EXPECT_FALSE(locks.wait_for(&kC, &kA));
  EXPECT_TRUE(locks.wait_for(&kB, nullptr));
  EXPECT_TRUE(locks.wait_for(&kC, &kA));
}

}  // namespace
}  // namespace faultline::test
