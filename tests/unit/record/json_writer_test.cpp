#include "vmm/record/json_writer.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>

namespace faultline::vmm {
namespace {

std::string json_text(std::string_view text) {
  fmt::memory_buffer out;
  JsonWriter(out).string(text);
  return fmt::to_string(out);
}

TEST(JsonWriter, PutsCommasWhereTheyBelong) {
  fmt::memory_buffer out;
  JsonWriter w(out);
  w.begin_object();
  w.key("a").number(1);
  w.key("b").begin_array();
  w.end_array();
  w.key("c").begin_array();
  w.hex(0);
  w.hex(~0ULL);
  w.null();
  w.begin_object();
  w.end_object();
  w.end_array();
  w.key("d").boolean(false);
  w.key("e").number(-5);
  w.end_object();
  EXPECT_EQ(fmt::to_string(out), R"({"a":1,"b":[],"c":["0x0","0xffffffffffffffff",null,{}],"d":false,"e":-5})");
}

TEST(JsonWriter, EscapesWhatJsonWants) {
  EXPECT_EQ(json_text("a\"b\\c\nd\x01\x7f"), R"("a\"b\\c\nd\u0001\u007f")");
  EXPECT_EQ(json_text("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"), "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"");
}

TEST(JsonWriter, ReplacesWhatIsNoUtf8) {
  for (const char* bad :
       {"\xff", "\xc3", "\xc0\xaf", "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xf5", "\x80"})
    EXPECT_TRUE(json_text(bad).starts_with("\"\xef\xbf\xbd")) << bad;
}

TEST(JsonWriter, AnyBytesGiveJsonThatParses) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 5000; ++round) {
    std::string text(random() % 40, '\0');
    for (char& c : text) c = static_cast<char>(random());
    EXPECT_TRUE(nlohmann::json::accept(json_text(text)));
  }
}

}  // namespace
}  // namespace faultline::vmm
