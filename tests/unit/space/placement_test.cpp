// Placement without an address, against the kernel: 2 MiB alignment, hints, guard gaps.
#include "mmu/space/placement.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <random>

#include "tests/unit/space/mirror_files.hpp"

namespace faultline::mmu {
namespace {

using testing::errno_of;
using testing::Mirror;
using testing::MirrorFile;
using testing::Request;
using testing::Window;
using testing::World;

constexpr std::uint64_t kHuge = 2ULL << 20;

class Placement : public testing::SpaceTest {
 protected:
  static constexpr std::uint64_t kTop = 0x7ffff7fff000;
  void SetUp() override {
    SpaceTest::SetUp();
    mm->mmap_base = Gva(kTop);
  }
  std::uint64_t place(std::uint64_t hint, std::uint64_t length, int flags = kAnon) {
    const auto at = map(hint, length, kRw, flags);
    return at ? at->raw() : static_cast<std::uint64_t>(-at.error().value());
  }
};

TEST_F(Placement, GoesDownFromTheBaseAndMerges) {
  EXPECT_EQ(place(0, kPageSize), kTop - kPageSize);
  EXPECT_EQ(place(0, 3 * kPageSize), kTop - 4 * kPageSize);
  EXPECT_EQ(mm->vmas.size(), 1U);
  ASSERT_TRUE(do_munmap(*mm, kTop - 3 * kPageSize, kPageSize));
  EXPECT_EQ(place(0, kPageSize), kTop - 3 * kPageSize);  // the hole fits again
}

TEST_F(Placement, WholeHugePagesAreAligned) {
  EXPECT_EQ(place(0, kHuge) % kHuge, 0U);
  EXPECT_EQ(place(0, kHuge - kPageSize), kTop - kHuge + kPageSize);
  EXPECT_NE(place(0, kHuge + kPageSize) % kHuge, 0U);
}

TEST_F(Placement, HintsAreHonouredWhenFree) {
  EXPECT_EQ(place(0x1234'5678, kPageSize), 0x1234'5000U);
  EXPECT_NE(place(0x1234'5678, kPageSize), 0x1234'5000U);
  EXPECT_EQ(place(0x1123, kPageSize), page_align(mm->limits.mmap_min_addr));
}

TEST_F(Placement, NoreplaceRefusesWhatIsTaken) {
  ASSERT_EQ(place(kBase, 2 * kPageSize, kAnon | MAP_FIXED_NOREPLACE), kBase);
  EXPECT_EQ(place(kBase + kPageSize, kPageSize, kAnon | MAP_FIXED_NOREPLACE), static_cast<std::uint64_t>(-EEXIST));
}

TEST_F(Placement, Below2GigabytesBottomUp) {
  EXPECT_EQ(place(0, kPageSize, kAnon | MAP_32BIT), 0x4000'0000U);
  EXPECT_EQ(place(0, kPageSize, kAnon | MAP_32BIT), 0x4000'1000U);
  EXPECT_EQ(place(0, 0x4000'0000, kAnon | MAP_32BIT), static_cast<std::uint64_t>(-ENOMEM));
}

TEST_F(Placement, FallsBackToBottomUpAboveTheBase) {
  mm->mmap_base = Gva(0x20000);
  EXPECT_EQ(place(0, 64 * kPageSize), 0x2aaaaaaab000U);
}

TEST_F(Placement, GuardGapOfAStackIsNotUsed) {
  const std::uint64_t stack = kTop - 64 * kPageSize;
  map_at(stack, 64, kRw, kAnon | MAP_GROWSDOWN);
  EXPECT_EQ(place(0, kPageSize), stack - mm->limits.stack_guard_gap - kPageSize);
  // A hint in the gap is not honoured, MAP_FIXED is.
  EXPECT_NE(place(stack - 8 * kPageSize, kPageSize), stack - 8 * kPageSize);
  EXPECT_EQ(place(stack - 8 * kPageSize, kPageSize, kAnon | MAP_FIXED), stack - 8 * kPageSize);
}

TEST_F(Placement, FiveLevelsNeedAHintAbove47Bits) {
  World five(PagingMode::kFiveLevel);
  const auto space = AddressSpace::create(five.env);
  space->mmap_base = Gva(kTop);
  const auto low = do_mmap(*space, {.length = kPageSize, .prot = kRw, .flags = kAnon});
  ASSERT_TRUE(low);
  EXPECT_EQ(low->raw(), kTop - kPageSize);
  const auto high = do_mmap(*space, {.address = 1ULL << 55, .length = kPageSize, .prot = kRw, .flags = kAnon});
  ASSERT_TRUE(high);
  EXPECT_EQ(high->raw(), 1ULL << 55);
  // Taken: the search covers the upper part now.
  const auto next = do_mmap(*space, {.address = 1ULL << 55, .length = kPageSize, .prot = kRw, .flags = kAnon});
  ASSERT_TRUE(next);
  EXPECT_GT(next->raw(), 1ULL << 47);
}

// The kernel decides, over a window of 64 MiB that starts off any large alignment.
class PlacementOracle : public ::testing::TestWithParam<unsigned> {};

TEST_P(PlacementOracle, AgreesWithTheKernel) {
  constexpr std::uint64_t kPages = 16384 + 77;
  const Window window{0x2000'0003'7000, 0x2000'0003'7000 + kPages * kPageSize};
  World world;
  const std::vector<MirrorFile> files = testing::make_mirror_files(world);
  Mirror mirror(window, files, world);
  testing::close_mirror_files(files);
  if (!mirror.ready()) GTEST_SKIP() << mirror.why();
  std::mt19937 random(GetParam());
  const auto below = [&](std::uint64_t n) { return std::uint64_t{random()} % n; };
  const auto length = [&] {
    const std::uint64_t pages = below(3) == 0 ? (1 + below(4)) * 512 : 1 + below(below(2) == 0 ? 40 : 2500);
    return pages * kPageSize;
  };
  const auto address = [&] { return below(2) == 0 ? 0 : window.start + below(kPages) * kPageSize; };
  for (int i = 0; i < 600; ++i) {
    Request request;
    switch (below(8)) {
      case 0:
      case 1:
      case 2:
        request = {
            SYS_mmap,
            {address(), length(), PROT_READ,
             static_cast<std::uint64_t>(MAP_ANONYMOUS | MAP_PRIVATE | (below(4) == 0 ? MAP_GROWSDOWN : 0)), 0, 0}};
        break;
      case 3: request = {SYS_mmap, {address(), length(), PROT_READ, MAP_ANONYMOUS | MAP_SHARED, 0, 0}}; break;
      case 4:
      case 5:
        request = {SYS_mmap,
                   {address(), length(), PROT_READ, MAP_PRIVATE, below(2), below(3) == 0 ? 0 : below(700) * kPageSize}};
        break;
      case 6: {
        const std::uint64_t old_length = length();
        request = {
            SYS_mremap,
            {window.start + below(kPages) * kPageSize, old_length, old_length + below(3) * kHuge, MREMAP_MAYMOVE}};
        break;
      }
      default: request = {SYS_munmap, {window.start + below(kPages) * kPageSize, length() * 2}};
    }
    const auto difference = mirror.step(request);
    ASSERT_FALSE(difference) << "step " << i << ": " << *difference << "\n" << mirror.history();
  }
  EXPECT_GT(mirror.succeeded, 250U);
}
INSTANTIATE_TEST_SUITE_P(Seeds, PlacementOracle, ::testing::Range(1U, 1 + testing::oracle_seeds(6)));

}  // namespace
}  // namespace faultline::mmu
