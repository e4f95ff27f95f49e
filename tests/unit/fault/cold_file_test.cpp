// Faults on a file of which nothing is in memory: what is read ahead, and how waiting counts.
#include <gtest/gtest.h>

#include "mmu/space/operations.hpp"
#include "mmu/space/uaccess.hpp"
#include "tests/unit/support/fault_fixture.hpp"

namespace faultline::mmu {
namespace {

using test::TestFile;

constexpr std::uint32_t kRead = 4;

// A file of 100 cold pages, mapped from its page 10 on.
class ColdFaultTest : public FaultTest {
 protected:
  void SetUp() override {
    FaultTest::SetUp();
    f = file(FileKind::kRegular, 100 * kPageSize, &raw);
    for (std::uint64_t i = 0; i < 100; ++i) raw->cold.insert(i);
    raw->tells = true;
  }
  Vma& add_from_10(std::uint32_t flags) { return add(kBase, 30, flags, f, Pgoff(10)); }
  // What one fault reads ahead: first page and number.
  std::pair<std::uint64_t, std::uint64_t> read_ahead(std::uint64_t page, FaultOrigin origin = FaultOrigin::kUser) {
    raw->advised.clear();
    const Gva at = kBase + page * kPageSize;
    if (origin == FaultOrigin::kUser) {
      EXPECT_TRUE(fault(at, kRead).resolved());
    } else {
      EXPECT_TRUE(fault_in_page(*mm, at, false, origin));
    }
    return raw->advised.empty() ? std::pair<std::uint64_t, std::uint64_t>{} : raw->advised.front();
  }
  TestFile* raw = nullptr;
  std::shared_ptr<FileMapping> f;
};
INSTANTIATE_TEST_SUITE_P(EveryMode, ColdFaultTest, testing::ValuesIn(kPagingModes), test::mode_name);

using Pages = std::pair<std::uint64_t, std::uint64_t>;

TEST_P(ColdFaultTest, WhatIsReadAheadGoesByTheMapping) {
  struct Row {
    std::uint32_t flags;
    Pages pages;
  };
  constexpr Row kRows[] = {{kRoFlags, {14, 32}},
                           {kRoFlags | VmFlags::kExec, {30, 10}},
                           {kRoFlags | VmFlags::kRandRead, {}},
                           {kRoFlags | VmFlags::kRandRead | VmFlags::kExec, {30, 10}},
                           {kRoFlags | VmFlags::kSeqRead, {30, 32}},
                           {kRoFlags | VmFlags::kHugePage, {0, 100}}};
  for (const Row& row : kRows) {
    for (std::uint64_t i = 0; i < 100; ++i) raw->cold.insert(i);
    Vma& vma = add_from_10(row.flags);
    EXPECT_EQ(read_ahead(20), row.pages) << row.flags;
    EXPECT_EQ(entry(kBase + 21 * kPageSize).present(), row.pages.second != 0) << row.flags;
    ASSERT_TRUE(do_munmap(*mm, vma.start.raw(), vma.bytes()));
    f->truncate(0);
  }
  EXPECT_EQ(mm->counters.major, std::size(kRows));
  EXPECT_EQ(mm->counters.minor, 0u);
}

// Up to 6.16 an executable mapping was like any other.
TEST_P(ColdFaultTest, OlderLinuxReadsAroundWhatIsExecuted) {
  g.env.behaviour = LinuxBehaviour::of({6, 16});
  mm = AddressSpace::create(g.env);
  add_from_10(kRoFlags | VmFlags::kExec);
  EXPECT_EQ(read_ahead(20), (Pages{14, 32}));
}

// A page with a mark is left out by fault-around. A fault on it starts the next window, and is made again: for user
// code after an attempt under the VMA's lock, which makes it no major one; otherwise by somebody who tried already.
TEST_P(ColdFaultTest, AMarkIsWaitedFor) {
  for (const FaultOrigin origin : {FaultOrigin::kUser, FaultOrigin::kKernel, FaultOrigin::kGup}) {
    SCOPED_TRACE(static_cast<int>(origin));
    for (std::uint64_t i = 0; i < 100; ++i) raw->cold.insert(i);
    Vma& vma = add_from_10(kRoFlags);
    EXPECT_EQ(read_ahead(10), (Pages{4, 32}));
    EXPECT_EQ(read_ahead(17), Pages{});  // around it, all but page 28 of the file
    EXPECT_FALSE(entry(kBase + 18 * kPageSize).present());
    EXPECT_TRUE(entry(kBase + 19 * kPageSize).present());
    const FaultCounters before = mm->counters;
    EXPECT_EQ(read_ahead(18, origin), (Pages{36, 32}));
    EXPECT_TRUE(entry(kBase + 18 * kPageSize).present());
    const bool major = origin != FaultOrigin::kUser;
    EXPECT_EQ(mm->counters.major - before.major, major ? 1u : 0u);
    EXPECT_EQ(mm->counters.minor - before.minor, major ? 0u : 1u);
    EXPECT_EQ(mm->counters.vm_major, before.vm_major);
    ASSERT_TRUE(do_munmap(*mm, vma.start.raw(), vma.bytes()));
    f->truncate(0);
  }
}

// Who looks a cold page up for another purpose counts it by how it waits.
TEST_P(ColdFaultTest, LookUpsCountAsTheyWait) {
  struct Row {
    GupWait wait;
    bool cold_is_major, begun_is_major;
  };
  constexpr Row kRows[] = {
      {GupWait::kTried, true, true}, {GupWait::kAnew, false, false}, {GupWait::kHeld, true, false}};
  for (const Row& row : kRows) {
    for (const bool begun : {false, true}) {
      raw->cold = {50};
      raw->begun.clear();
      if (begun) std::swap(raw->cold, raw->begun);
      Vma& vma = add(kBase, 1, kRwFlags, f, Pgoff(50));
      const std::uint64_t before = mm->counters.major;
      EXPECT_TRUE(fault_in_page(*mm, kBase, true, FaultOrigin::kGup, {.wait = row.wait}));
      EXPECT_EQ(mm->counters.major - before, (begun ? row.begun_is_major : row.cold_is_major) ? 1u : 0u);
      ASSERT_TRUE(do_munmap(*mm, vma.start.raw(), vma.bytes()));
      f->truncate(0);
    }
  }
}

}  // namespace
}  // namespace faultline::mmu
