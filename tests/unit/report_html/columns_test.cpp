#include "vmm/report_html/columns.hpp"

#include <gtest/gtest.h>

#include "tests/unit/report_html/page_reader.hpp"

namespace faultline::vmm::report_html {
namespace {

TEST(Column, GivesBackWhatWasAdded) {
  const std::vector<std::uint32_t> values = {0, 1, 0, 127, 128, 0xffffffff, 0, 0x80000000, 0x7fffffff, 5, 5};
  Column column;
  for (const std::uint32_t value : values) column.add(value);
  EXPECT_EQ(column.rows(), values.size());
  EXPECT_EQ(test::decode(column.bytes(), column.rows()), values);
}

TEST(Column, WhatStaysTheSameCostsOneByte) {
  Column column;
  column.add(0xdeadbeef);
  const std::size_t first = column.bytes().size();
  for (int n = 0; n < 100; ++n) column.add(0xdeadbeef);
  EXPECT_EQ(column.bytes().size(), first + 100);
}

TEST(Texts, HaveEachTextOnce) {
  Texts texts;
  EXPECT_EQ(texts.id(""), 0U);
  EXPECT_EQ(texts.id("a"), 1U);
  EXPECT_EQ(texts.id("b"), 2U);
  EXPECT_EQ(texts.id("a"), 1U);
  EXPECT_EQ(texts.all(), (std::vector<std::string>{"", "a", "b"}));
}

TEST(Clamp, KeepsTheLargestThatFits) {
  EXPECT_EQ(clamp32(7), 7U);
  EXPECT_EQ(clamp32(1ULL << 40), UINT32_MAX);
}

}  // namespace
}  // namespace faultline::vmm::report_html
