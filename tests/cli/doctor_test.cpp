// `faultline doctor`, with KVM and without.
#include <nlohmann/json.hpp>

#include "tests/cli/cli.hpp"

namespace faultline::test {
namespace {

TEST(DoctorTest, SaysWhetherGuestsCanRunHere) {
  const auto result = faultline({"doctor"});
  EXPECT_EQ(result.err, "");
  if (why_no_kvm().empty()) {
    EXPECT_EQ(result.status, 0) << result.out;
    EXPECT_THAT(result.out, testing::HasSubstr("sink"));
  } else {
    EXPECT_THAT(result.out, testing::HasSubstr("/dev/kvm"));
    EXPECT_EQ(result.status == 0, result.out.starts_with("Guests can run here: hosted")) << result.out;
  }
}

TEST(DoctorTest, JsonParsesAndAgreesWithTheStatus) {
  const auto result = faultline({"doctor", "--json"});
  const auto value = nlohmann::json::parse(result.out, nullptr, false);
  ASSERT_FALSE(value.is_discarded()) << result.out;
  EXPECT_TRUE(value.is_object());
  EXPECT_EQ(value["version"], 1);
  EXPECT_EQ(result.status, value["ready"].get<bool>() ? 0 : 1);
  EXPECT_TRUE(value["ready"] == true || !why_no_kvm().empty());
  EXPECT_TRUE(value["capabilities"].contains("hosted backend"));
}

}  // namespace
}  // namespace faultline::test
