#include "mmu/kernel/exception_table.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

namespace faultline::mmu {
namespace {

using testing::HasSubstr;

constexpr Gva kSection(0xffff'ffff'8200'0000), kCode(0xffff'ffff'8100'0000);
constexpr AddressRange kText[] = {{kCode, kCode + 0x1000}, {kCode + 0x3000, kCode + 0x4000}};

class Table {
 public:
  Table& add(std::uint64_t instruction, std::uint64_t fixup, std::uint32_t kind = 1) {
    const std::uint64_t at = kSection.raw() + bytes_.size();
    push(static_cast<std::uint32_t>(kCode.raw() + instruction - at));
    push(static_cast<std::uint32_t>(kCode.raw() + fixup - at - 4));
    push(kind);
    return *this;
  }
  void push(std::uint32_t word) {
    const auto* p = reinterpret_cast<const std::byte*>(&word);
    bytes_.insert(bytes_.end(), p, p + 4);
  }
  [[nodiscard]] Result<ExceptionTable> parse() const { return ExceptionTable::parse(bytes_, kSection, kText); }
  [[nodiscard]] std::string error() const {
    const auto table = parse();
    return table ? "none" : table.error().message;
  }

 private:
  std::vector<std::byte> bytes_;
};

TEST(ExceptionTable, FindsByTheVeryInstruction) {
  const auto table = Table().add(0x10, 0x800).add(0x20, 0x3810, 0x302).add(0x3000, 0x808, 4).parse();
  ASSERT_TRUE(table) << table.error().message;
  EXPECT_EQ(table->size(), 3U);
  EXPECT_TRUE(table->was_sorted());
  const ExceptionEntry* entry = table->find(kCode + 0x20);
  ASSERT_NE(entry, nullptr);
  EXPECT_EQ(entry->fixup, kCode + 0x3810);
  EXPECT_EQ(entry->kind, FixupKind::kError);
  EXPECT_EQ(entry->reg, 3);
  EXPECT_EQ(table->find(kCode + 0x3000)->kind, FixupKind::kTrap);
  for (const std::uint64_t near : {0xfU, 0x11U, 0x1fU, 0x21U, 0x3001U}) EXPECT_EQ(table->find(kCode + near), nullptr);
  EXPECT_EQ(ExceptionTable().find(kCode), nullptr);
}

TEST(ExceptionTable, IsSortedWhereTheLinkerDidNot) {
  const auto table = Table().add(0x30, 0x800).add(0x10, 0x810).add(0x20, 0x820).parse();
  ASSERT_TRUE(table);
  EXPECT_FALSE(table->was_sorted());
  EXPECT_EQ(table->find(kCode + 0x10)->fixup, kCode + 0x810);
  EXPECT_EQ(table->find(kCode + 0x20)->fixup, kCode + 0x820);
  EXPECT_EQ(table->find(kCode + 0x30)->fixup, kCode + 0x800);
}

TEST(ExceptionTable, RefusesWhatIsMalformedInOneLine) {
  Table odd;
  odd.add(0x10, 0x20).push(0);
  EXPECT_THAT(odd.error(), HasSubstr("16 bytes are not a whole number of entries"));
  EXPECT_THAT(Table().add(0x1000, 0x20).error(), HasSubstr("the instruction of entry 0, 0xffffffff81001000"));
  EXPECT_THAT(Table().add(0, 4).add(0x10, 0x2fff).error(), HasSubstr("the fixup of entry 1, 0xffffffff81002fff"));
  EXPECT_THAT(Table().add(0, 4, 0).error(), HasSubstr("unknown kind 0x0"));
  EXPECT_THAT(Table().add(0, 4, 5).error(), HasSubstr("unknown kind 0x5"));
  EXPECT_THAT(Table().add(0, 4, 0x1001).error(), HasSubstr("unknown kind 0x1001"));
  EXPECT_THAT(Table().add(8, 4).add(0, 4).add(8, 4).error(), HasSubstr("two entries for the instruction at"));
  EXPECT_EQ(odd.error().find('\n'), std::string::npos);
}

}  // namespace
}  // namespace faultline::mmu
