#include "vmm/fuzz/text.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "vmm/fuzz/generate.hpp"
#include "vmm/fuzz/layout.hpp"
#include "vmm/fuzz/text_operand.hpp"

namespace faultline::vmm::fuzz {
namespace {

std::string refusal(const std::string& lines) {
  const auto program = parse_text("faultline-fuzz 1\n" + lines, "f");
  return program ? "accepted" : program.error().message;
}

TEST(Text, OperationsReadLikeSentences) {
  const auto at = [](std::uint8_t place, std::int32_t offset) { return pack({place, offset}); };
  EXPECT_EQ(to_text(Operation{Op::kMap, {at(0, -4096), 8192, 3, kMapFixed | kMapPopulate, 0, 0}}),
            "map 512g-1p 2p rw- private,fixed,populate anonymous 0");
  EXPECT_EQ(to_text(Operation{Op::kMap, {at(3, 0), 1, 4, kMapShared | kMapNoReplace, 2, 31}}),
            "map top 1 --x shared,noreplace memory 31");
  EXPECT_EQ(to_text(Operation{Op::kRemap, {at(2, 8), 0x1800, 0x1801, 7, at(1, -20)}}),
            "remap 2m+8 2p-0x800 2p-0x7ff maymove,fixed,dontunmap 1g-0x14");
  EXPECT_EQ(to_text(Operation{Op::kUnmap, {at(6, 0xff8), static_cast<std::int64_t>(kAbsurdLengths[2])}}),
            "unmap noncanonical+1p-8 maximum");
  EXPECT_EQ(to_text(Operation{Op::kLock, {at(4, 0), 0, 1}}), "lock low 0 onfault");
  EXPECT_EQ(to_text(Operation{Op::kSync, {at(4, 0), 0, 5}}), "sync low 0 async,sync");
  EXPECT_EQ(to_text(Operation{Op::kAdvise, {at(4, 0), 0, 14}}), "advise low 0 guard-install");
  EXPECT_EQ(to_text(Operation{Op::kFlipControl, {1}}), "flip-control wp");
}

TEST(Text, EveryLegalOperandSurvives) {
  for (std::size_t k = 1; k < kOperandKinds; ++k) {
    const auto kind = static_cast<OperandKind>(k);
    unsigned seen = 0;
    const auto check = [&](std::int64_t value) {
      if (!legal_operand(kind, value)) return;
      ++seen;
      const auto again = parse_operand(kind, operand_text(kind, value));
      ASSERT_TRUE(again) << operand_text(kind, value);
      ASSERT_EQ(*again, value) << operand_text(kind, value);
    };
    for (std::int64_t value = -1; value <= static_cast<std::int64_t>(kMaxLength) + 1; value += value < 9000 ? 1 : 61)
      check(value);
    for (const std::uint64_t value : kAbsurdLengths) check(static_cast<std::int64_t>(value));
    if (kind == OperandKind::kAddress) {
      for (std::uint8_t place = 0; place < kPlaces.size(); ++place) {
        for (std::int32_t offset = -kMaxOffset; offset <= kMaxOffset; offset += 37) check(pack({place, offset}));
        check(pack({place, kMaxOffset}));
      }
    }
    EXPECT_GE(seen, 2U) << operand_name(kind);
    EXPECT_THAT(parse_operand(kind, "?").error().message, testing::Eq(legal_operands(kind)));
  }
}

// The words that say what is legal name every value there is.
TEST(Text, WhatIsLegalIsComplete) {
  for (const Advice& advice : advice_table())
    EXPECT_THAT(std::string(legal_operands(OperandKind::kAdvice)), testing::HasSubstr(std::string(advice.name)));
  for (const Place& place : kPlaces)
    EXPECT_THAT(std::string(legal_operands(OperandKind::kAddress)), testing::HasSubstr(std::string(place.name)));
}

TEST(Text, GeneratedProgramsSurvive) {
  for (unsigned seed = 0; seed < 1000; ++seed) {
    std::mt19937_64 random(seed);
    const Program program = generate(random, {.operations = seed % 257, .raw = true, .failures = true});
    const std::string text = to_text(program);
    const auto again = parse_text(text, "f");
    ASSERT_TRUE(again) << again.error().message;
    ASSERT_EQ(*again, program);
    ASSERT_LT(text.size(), kMaxTextBytes);
  }
}

TEST(Text, SpacesCommentsAndHexadecimalAreFree) {
  const auto program =
      parse_text("faultline-fuzz 1  # mine\r\n\n#\n\t write  0x8\t2m+0x1p+1p-8  0xff# there\r\nfork", "f");
  ASSERT_TRUE(program) << program.error().message;
  EXPECT_EQ(*program, (Program{{{Op::kWrite, {8, pack({2, 8184}), 255}}, {Op::kFork, {}}}}));
}

TEST(Text, RefusalsNameLineAndColumnAndWhatIsLegal) {
  EXPECT_EQ(refusal("\n  switch 4\n"), "f:3:10: '4' is not a process: 0 to 3");
  EXPECT_EQ(refusal("write 8"),
            "f:2:8: the line ends; expected an address: 512g, 1g, 2m, top, low, null, noncanonical, "
            "kernel or vsyscall, and up to 128 pages from it, as in 2m+3p or top-0x10 (write WIDTH ADDRESS VALUE)");
  EXPECT_EQ(refusal("fork fork"), "f:2:6: 'fork' is one operand too many; expected fork");
  EXPECT_EQ(refusal("exchange 16 2m 1"), "f:2:1: XCHG is of 8 bytes at most");
  EXPECT_EQ(refusal("switch \x1b[2J" + std::string(100, 'x')),
            "f:2:8: '?[2J" + std::string(36, 'x') + "...' is not a process: 0 to 3");
  EXPECT_THAT(refusal("frok"), testing::StartsWith("f:2:1: 'frok' is no operation; there are map, unmap, protect, "));
}

TEST(Text, LimitsAreKept) {
  std::string many;
  for (std::size_t i = 0; i < kMaxOperations; ++i) many += "fork\n";
  EXPECT_EQ(refusal(many), "accepted");
  EXPECT_EQ(refusal(many + " fork"), "f:258:2: more than 256 operations");
  EXPECT_EQ(refusal(std::string(kMaxLineBytes, '#')), "accepted");
  EXPECT_EQ(refusal(std::string(kMaxLineBytes + 1, '#')),
            "f:2:1: the line has more than 1024 bytes, which are all that is read");
  EXPECT_EQ(refusal(std::string(kMaxTextBytes, '\n')),
            "f:1:1: the file has more than 262144 bytes, which are all that is read");
}

// What no program has is still printed, for messages.
TEST(Text, IllegalOperationsArePrinted) {
  EXPECT_EQ(to_text(Operation{static_cast<Op>(200), {}}), "operation-200");
  EXPECT_EQ(to_text(Operation{Op::kAdvise, {-1, 1LL << 62, 99}}), "advise -1 4611686018427387904 99");
}

}  // namespace
}  // namespace faultline::vmm::fuzz
