#include <gtest/gtest.h>

#include <set>

#include "vmm/fuzz/around.hpp"
#include "vmm/fuzz/layout.hpp"
#include "vmm/fuzz/program.hpp"

namespace faultline::vmm::fuzz {
namespace {

TEST(Operations, TheTableIsInTheOrderOfTheEnumeration) {
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < kOps; ++i) {
    EXPECT_EQ(static_cast<std::size_t>(operation_table()[i].op), i);
    EXPECT_TRUE(names.insert(operation_table()[i].name).second) << operation_table()[i].name;
  }
}

TEST(Operations, WhatIsOutOfRangeIsNamed) {
  Operation map{Op::kMap, {pack({0, 4096}), 8192, 3, kMapFixed, 0, 0}};
  EXPECT_EQ(illegal(map), std::nullopt);
  map.operands[3] = kMapFixed | kMapNoReplace;
  EXPECT_EQ(illegal(map), "operand 4 of map is out of range");
  map.operands[3] = kMapFixed;
  map.operands[0] = pack({200, 0});
  EXPECT_EQ(illegal(map), "operand 1 of map is out of range");
  EXPECT_EQ(illegal(Program{{{Op::kFork, {}}, {Op::kSwitch, {4}}}}),
            "operation 1: operand 1 of switch is out of range");
  EXPECT_EQ(illegal(Operation{Op::kFork, {1}}), "operand 1 of fork is out of range");
  EXPECT_TRUE(illegal(Operation{Op::kLocked, {16, pack({0, 0}), 1}}));
}

TEST(Operations, AddressesSurvivePacking) {
  for (const Address a : {Address{0, 0}, Address{8, -1}, Address{3, kMaxOffset}, Address{1, -kMaxOffset}})
    EXPECT_EQ(unpack_address(pack(a)), a);
  EXPECT_EQ(address_of({5, -1}).raw(), ~0ULL);
}

TEST(Operations, ARangeIsRoundedAsTheKernelRoundsIt) {
  EXPECT_TRUE(range_holds(0x1000, 1, 0x1fff));
  EXPECT_FALSE(range_holds(0x1000, 0x1000, 0x2000));
  EXPECT_TRUE(range_holds(0x1000, 0x1001, 0x2000));
  EXPECT_FALSE(range_holds(0x3000, 0x1000, 0x2000));
  EXPECT_FALSE(range_holds(0, ~0ULL, 0x2000)) << "rounds to nothing";
  EXPECT_FALSE(range_holds(0x1000, ~0ULL - 0xfff, 0x2000)) << "overflows";
}

TEST(Operations, AWalkGoesAroundWhatIsAJudgesOwn) {
  EXPECT_FALSE(around(0x1000, 0x1000, 0x2000, 0x3000));
  EXPECT_FALSE(around(0x3000, 0x1000, 0x2000, 0x3000));
  const auto whole = around(0x1000, 0x5000, 0x2000, 0x3000);
  ASSERT_TRUE(whole);
  EXPECT_EQ(whole->length, 0x1000U);
  EXPECT_EQ(whole->again, 0x3000U);
  EXPECT_EQ(whole->again_length, 0x3000U);
  const auto into = around(0x1000, 0x1800, 0x2000, 0x4000);
  ASSERT_TRUE(into);
  EXPECT_EQ(into->again_length, 0U);
  const auto second = [](std::int64_t result) { return [result] { return result; }; };
  EXPECT_EQ(result_around(-12, false, second(0)), -12) << "there was a hole";
  EXPECT_EQ(result_around(0, false, second(-22)), -22);
  EXPECT_EQ(result_around(-22, false, second(0)), -22) << "it ended there";
  EXPECT_EQ(result_around(0, true, second(0)), -12);
}

}  // namespace
}  // namespace faultline::vmm::fuzz
