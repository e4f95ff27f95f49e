#include "vmm/record/printable.hpp"

#include <gtest/gtest.h>

namespace faultline::vmm {
namespace {

TEST(Printable, KeepsTextAndDropsWhatATerminalObeys) {
  EXPECT_EQ(printable("/usr/bin/a b"), "/usr/bin/a b");
  EXPECT_EQ(printable("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"), "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80");
  EXPECT_EQ(printable("a\x1b[2J\n\x7f"), "a?[2J??");
  EXPECT_EQ(printable("\xc2\x9b"
                      "31m\xc2\xa0"),
            "?31m\xc2\xa0");
  EXPECT_EQ(printable("\x9b\xff\xe2\x82"), "????");
}

}  // namespace
}  // namespace faultline::vmm
