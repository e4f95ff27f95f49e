#include "vmm/report_html/html_report.hpp"

#include <gtest/gtest.h>

namespace faultline::vmm::report_html {
namespace {

TEST(HtmlReport, HostileNamesAreNotInThePageAsTheyAre) {
  recording::RunInfo info;
  info.command = {"</script><script>alert(1)</script>"};
  PageData data(info);
  const auto page = render_page(data.finish("<b>torn</b>"));
  if (!page) GTEST_SKIP() << page.error().message;
  EXPECT_EQ(page->find("alert(1)"), std::string::npos);
  EXPECT_EQ(page->find("<b>torn"), std::string::npos);
  EXPECT_EQ(page->find("@FAULTLINE_DATA@"), std::string::npos);
  EXPECT_TRUE(page->ends_with("</html>\n"));
}

TEST(HtmlReport, ThePolicyAllowsNothingFromOutside) {
  PageData data(recording::RunInfo{});
  const auto page = render_page(data.finish({}));
  if (!page) GTEST_SKIP() << page.error().message;
  EXPECT_NE(page->find("Content-Security-Policy\" content=\"default-src 'none'; script-src 'sha256-"),
            std::string::npos);
  EXPECT_EQ(page->find("unsafe-"), std::string::npos);
  for (const char* outside : {"src=\"http", "href=\"http", "url(http", "@import"})
    EXPECT_EQ(page->find(outside), std::string::npos) << outside;
}

}  // namespace
}  // namespace faultline::vmm::report_html
