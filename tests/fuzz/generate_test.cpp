#include "vmm/fuzz/generate.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "vmm/fuzz/generate_draw.hpp"
#include "vmm/fuzz/generate_picture.hpp"
#include "vmm/fuzz/text.hpp"

namespace faultline::vmm::fuzz {
namespace {

TEST(Generate, EveryProgramIsLegalAndAsLongAsAsked) {
  for (unsigned seed = 0; seed < 4000; ++seed) {
    std::mt19937_64 random(seed);
    const GenerateOptions options{.operations = seed % 300,
                                  .raw = seed % 2 == 0,
                                  .failures = seed % 3 == 0,
                                  .forks = seed % 5 != 0,
                                  .windows = seed % 7};
    const Program program = generate(random, options);
    ASSERT_EQ(illegal(program), std::nullopt) << "seed " << seed;
    ASSERT_EQ(program.operations.size(), std::min<std::size_t>(options.operations, kMaxOperations));
  }
}

TEST(Generate, OnlyWhatIsAskedForComes) {
  std::set<OpClass> classes;
  std::set<Op> ops;
  for (unsigned seed = 0; seed < 300; ++seed) {
    std::mt19937_64 random(seed);
    for (const Operation& o : generate(random, {.forks = false}).operations) classes.insert(row(o.op).op_class);
    for (const Operation& o : generate(random, {.raw = true, .failures = true}).operations) ops.insert(o.op);
  }
  EXPECT_THAT(classes, testing::ElementsAre(OpClass::kCall, OpClass::kAccess, OpClass::kKernelAccess));
  EXPECT_EQ(ops.size(), kOps);
}

TEST(Generate, TheSameNumbersGiveTheSameProgram) {
  std::mt19937_64 one(7), two(7);
  EXPECT_EQ(generate(one, {}), generate(two, {}));
  EXPECT_NE(generate(one, {}), generate(one, {}));
}

TEST(Generate, FewerWindowsAreFewerPlaces) {
  for (unsigned seed = 0; seed < 200; ++seed) {
    std::mt19937_64 random(seed);
    for (const Operation& o : generate(random, {.windows = 1}).operations) {
      if (o.op != Op::kMap) continue;
      const auto place = unpack_address(o.operands[0]).place;  // the last ones are hostile places as well
      EXPECT_TRUE(place != 1 && place != 2) << to_text(o);
    }
  }
}

// Most accesses go where something is mapped, and every kind of place comes.
TEST(Generate, MostAccessesHitSomething) {
  unsigned accesses = 0, hits = 0, hostile = 0, straddling = 0, shared = 0, files = 0;
  for (unsigned seed = 0; seed < 400; ++seed) {
    std::mt19937_64 random(seed);
    Picture picture;
    for (const Operation& o : generate(random, {}).operations) {
      if (o.op == Op::kRead || o.op == Op::kWrite) {
        const Address a = unpack_address(o.operands[1]);
        const Gva at = address_of(a);
        const Picture::Region* r = picture.region_at(at.raw());
        ++accesses;
        hits += r != nullptr;
        shared += r != nullptr && (r->flags & kMapShared) != 0;
        files += r != nullptr && r->file != FileOperand::kNone;
        hostile += a.place >= kWindowPlaces;
        straddling += at.page_offset() + static_cast<std::uint64_t>(o.operands[0]) > kPageSize;
      }
      picture.follow(o);
    }
  }
  EXPECT_GT(hits * 10, accesses * 6) << hits << " of " << accesses;
  EXPECT_GT(hostile, accesses / 100);
  EXPECT_GT(straddling, accesses / 50);
  EXPECT_GT(shared, accesses / 20);
  EXPECT_GT(files, accesses / 20);
}

TEST(Picture, FollowsCalls) {
  Picture picture;
  const std::uint64_t base = kPlaces[0].address;
  const auto at = [](int page) { return pack({0, page * 4096}); };
  picture.follow({Op::kMap, {at(0), 4 * 4096, 3, kMapFixed, 1, 2}});
  picture.follow({Op::kUnmap, {at(1), 1}});
  EXPECT_EQ(picture.region_at(base + 4096), nullptr);
  ASSERT_NE(picture.region_at(base + 2 * 4096), nullptr);
  EXPECT_EQ(picture.region_at(base + 2 * 4096)->offset, 4 * kPageSize);
  picture.follow({Op::kMap, {at(3), 4096, 3, kMapNoReplace, 0, 0}});
  EXPECT_EQ(picture.region_at(base + 3 * 4096)->file, FileOperand::kDisk);
  picture.follow({Op::kFork, {}});
  picture.follow({Op::kSwitch, {1}});
  picture.follow({Op::kRemap, {at(2), 4096, 8192, 3, at(10)}});
  EXPECT_EQ(picture.region_at(base + 2 * 4096), nullptr);
  EXPECT_EQ(picture.region_at(base + 11 * 4096)->offset, 4 * kPageSize);
  picture.follow({Op::kExit, {}});
  EXPECT_EQ(picture.current(), 0U);
  EXPECT_EQ(picture.alive(), 1U);
  EXPECT_NE(picture.region_at(base + 2 * 4096), nullptr);
  EXPECT_EQ(picture.region_at(base + 11 * 4096), nullptr);
}

// What the generator prefers is known to it by number.
TEST(Draw, TheAdviceThatIsPreferredIsWhatItWas) {
  const auto name = [](std::size_t n) { return advice_table()[n].name; };
  EXPECT_EQ(name(4), "dontneed");
  EXPECT_EQ(name(5), "remove");
  EXPECT_EQ(name(8), "wipeonfork");
  EXPECT_EQ(name(14), "guard-install");
}

TEST(Draw, AddressesAreCountedFromTheNearestPlace) {
  for (const Window& w : kWindows) {
    for (const std::uint64_t at : {w.start - 8, w.start, w.end - 1, w.end + 4096}) {
      const auto a = from_place(at);
      ASSERT_TRUE(a);
      EXPECT_EQ(address_of(*a).raw(), at);
    }
  }
  EXPECT_EQ(from_place(0x7000'0000'0000), std::nullopt);
}

}  // namespace
}  // namespace faultline::vmm::fuzz
