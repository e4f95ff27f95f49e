#include "mmu/space/uaccess.hpp"

#include "tests/unit/support/fault_fixture.hpp"

namespace faultline::mmu {
namespace {

class UserAccessTest : public FaultTest {};
INSTANTIATE_TEST_SUITE_P(EveryMode, UserAccessTest, testing::ValuesIn(kPagingModes), test::mode_name);

constexpr std::uint32_t kRead = 4;

TEST_P(UserAccessTest, CopiesFaultPagesInAndStopAtTheFirstBadOne) {
  add(kBase, 2, kRwFlags);
  const std::string text(2 * kPageSize, 't');
  EXPECT_EQ(copy_to_user(*mm, kBase, std::as_bytes(std::span(text))), 0u);
  EXPECT_EQ(mm->counters.minor, 2u);
  EXPECT_EQ(mm->counters.perf_minor, 2u);
  EXPECT_TRUE(entry(kBase).dirty());
  std::string back(3 * kPageSize, '\0');
  EXPECT_EQ(copy_from_user(*mm, std::as_writable_bytes(std::span(back)), kBase), kPageSize);
  EXPECT_EQ(back.substr(0, 2 * kPageSize), text);
  EXPECT_EQ(clear_user(*mm, kBase + 10, 5), 0u);
  EXPECT_EQ(byte_at(kBase + 9), 't');
  EXPECT_EQ(byte_at(kBase + 10), '\0');
  EXPECT_EQ(byte_at(kBase + 15), 't');
}

TEST_P(UserAccessTest, CopiesRefuseWhatUserCodeMayNotTouch) {
  add(kBase, 1, kRoFlags);
  add(kBase + kPageSize, 1, VmFlags::kMayRead);
  const int value = 1;
  EXPECT_EQ(put_user(*mm, kBase, value).error().value(), EFAULT);
  EXPECT_TRUE(get_user<int>(*mm, kBase));
  EXPECT_EQ(get_user<int>(*mm, kBase + kPageSize).error().value(), EFAULT);
  EXPECT_EQ(get_user<int>(*mm, mm->task_size() - 2).error().value(), EFAULT);
  EXPECT_EQ(get_user<int>(*mm, Gva(~0ULL - 1)).error().value(), EFAULT);
  EXPECT_EQ(get_user<int>(*mm, Gva(0xffff'8000'0000'0000)).error().value(), EFAULT);
}

TEST_P(UserAccessTest, GupIsCountedByTheTaskAlone) {
  add(kBase, 1, kRwFlags);
  EXPECT_TRUE(fault_in_page(*mm, kBase, true, FaultOrigin::kGup));
  EXPECT_EQ(mm->counters.minor, 1u);
  EXPECT_EQ(mm->counters.perf_faults + mm->counters.perf_minor, 0u);
  EXPECT_TRUE(fault_in_page(*mm, kBase, true, FaultOrigin::kGup));
  EXPECT_EQ(mm->counters.minor, 1u);
  EXPECT_EQ(fault_in_page(*mm, kBase + kPageSize, false, FaultOrigin::kGup).error().value(), EFAULT);
}

TEST_P(UserAccessTest, StringsEndAtTheirNulOrWithAnError) {
  add(kBase, 2, kRwFlags);
  const std::string text = "hello";
  ASSERT_EQ(copy_to_user(*mm, kBase + kPageSize - 3, std::as_bytes(std::span(text.c_str(), 6))), 0u);
  EXPECT_EQ(string_from_user(*mm, kBase + kPageSize - 3, 100).value(), "hello");
  EXPECT_EQ(string_from_user(*mm, kBase + kPageSize - 3, 5).value(), "hello");
  EXPECT_EQ(string_from_user(*mm, kBase + kPageSize - 3, 4).error().value(), ENAMETOOLONG);
  ASSERT_EQ(copy_to_user(*mm, kBase + 2 * kPageSize - 2, std::as_bytes(std::span("xx", 2))), 0u);
  EXPECT_EQ(string_from_user(*mm, kBase + 2 * kPageSize - 2, 100).error().value(), EFAULT);
}

TEST_P(UserAccessTest, PeekingChangesNothing) {
  add(kBase, 4, kRwFlags);
  fault(kBase, kRead);
  std::array<std::byte, 2 * kPageSize> buffer;
  EXPECT_EQ(peek_user(*mm, buffer, kBase + 16), kPageSize - 16);
  EXPECT_EQ(mm->counters.minor, 1u);
  EXPECT_FALSE(entry(kBase + kPageSize).present());
}

TEST_P(UserAccessTest, SpansMergeNeighbouringFrames) {
  add(kBase, 4, kRwFlags);
  const auto spans = user_spans(*mm, kBase + 100, 3 * kPageSize, UserAccess::kWrite);
  std::uint64_t total = 0;
  for (const auto& s : spans) total += s.size();
  EXPECT_EQ(total, 3 * kPageSize);
  EXPECT_EQ(user_spans(*mm, kBase + 100, 9 * kPageSize, UserAccess::kWrite).back().size() > 0, true);
  EXPECT_TRUE(user_spans(*mm, Gva(0x1000), 10, UserAccess::kRead).empty());
}

}  // namespace
}  // namespace faultline::mmu
