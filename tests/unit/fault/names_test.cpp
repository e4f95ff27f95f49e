// Records, reports and filters go by these names.
#include <gtest/gtest.h>

#include <set>

#include "mmu/fault/fault.hpp"

namespace faultline::mmu {
namespace {

template <class E>
void expect_names(E last) {
  std::set<std::string_view> seen;
  for (unsigned i = 0; i <= static_cast<unsigned>(last); ++i) {
    const std::string_view it = name(static_cast<E>(i));
    EXPECT_NE(it, "?") << i;
    EXPECT_TRUE(seen.insert(it).second) << it << " names two";
  }
  EXPECT_EQ(name(static_cast<E>(static_cast<unsigned>(last) + 1)), "?");
}

TEST(FaultNames, EachHasOneOfItsOwn) {
  expect_names(FaultStep::kOutOfMemory);
  expect_names(FaultResult::kOops);
}

TEST(FaultNames, APathKeepsItsBeginning) {
  FaultPath path;
  for (int i = 0; i < 20; ++i) path.add(i == 0 ? FaultStep::kVmaLocked : FaultStep::kRetry);
  path.add(FaultStep::kReuse);
  EXPECT_EQ(path.steps().size(), 14U);
  EXPECT_EQ(path.steps()[0], FaultStep::kVmaLocked);
  EXPECT_FALSE(path.contains(FaultStep::kReuse)) << "no room";
  EXPECT_TRUE(path.contains(FaultStep::kRetry));
}

}  // namespace
}  // namespace faultline::mmu
