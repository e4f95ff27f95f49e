// docs/fuzz-language.md says what the tables say.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <regex>

#include "vmm/fuzz/binary.hpp"
#include "vmm/fuzz/layout.hpp"
#include "vmm/fuzz/text.hpp"
#include "vmm/fuzz/text_operand.hpp"

namespace faultline::vmm::fuzz {
namespace {

std::string document() {
  std::ifstream in(std::string(FAULTLINE_SOURCE) + "/docs/fuzz-language.md");
  return {std::istreambuf_iterator<char>(in), {}};
}

// The rows below `header`, which ends with its rule.
std::string table_after(const std::string& text, const std::string& header) {
  const std::size_t at = text.find(header + "\n");
  if (at == std::string::npos) return "no table " + header;
  const std::size_t rows = at + header.size() + 1;
  return text.substr(rows, text.find("\n\n", rows) + 1 - rows);
}

TEST(LanguageDocument, TheTableOfOperationsIsThatOfTheProgram) {
  std::string expected;
  for (const OpRow& r : operation_table()) {
    std::string operands, judges;
    for (std::size_t i = 0; i < r.operand_count(); ++i) operands += " " + std::string(operand_name(r.operands[i]));
    if ((r.judges & kReference) != 0) judges += " R";
    if ((r.judges & kMachine) != 0) judges += " M";
    if ((r.judges & kHost) != 0) judges += " H";
    expected +=
        "| `" + std::string(r.name) + "` |" + operands + " |" + judges + " | " + std::string(r.summary) + " |\n";
  }
  EXPECT_EQ(table_after(document(), "| operation | operands | judges | what it does |\n|---|---|---|---|").substr(0),
            expected);
}

TEST(LanguageDocument, TheTableOfOperandsIsThatOfTheProgram) {
  std::string expected;
  for (std::size_t k = 1; k < kOperandKinds; ++k) {
    const auto kind = static_cast<OperandKind>(k);
    expected += "| " + std::string(operand_name(kind)) + " | " + std::string(legal_operands(kind)) + " |\n";
  }
  EXPECT_EQ(table_after(document(), "| operand | legal |\n|---|---|"), expected);
}

TEST(LanguageDocument, PlacesAndSizesOfTheBinaryFormAreTrue) {
  const std::string text = document();
  std::string places;
  for (std::size_t i = 0; i < kPlaces.size(); ++i)
    places += (i == 0 ? "`" : ", `") + std::string(kPlaces[i].name) + "` " + std::to_string(i);
  EXPECT_THAT(text, testing::HasSubstr("(" + places + ")"));
  for (std::size_t k = 1; k < kOperandKinds; ++k) {
    const auto kind = static_cast<OperandKind>(k);
    const std::regex own("\\| ([A-Z-]+, )*" + std::string(operand_name(kind)) + "(, [A-Z-]+)* \\| ([0-9]) \\|");
    std::smatch found;
    const std::string size = std::regex_search(text, found, own) ? found[3].str() : "1";
    EXPECT_EQ(size, std::to_string(binary_size(kind))) << operand_name(kind);
  }
  EXPECT_EQ(parse_binary(to_binary(Program{{{Op::kFork, {}}}}), "f")->operations.size(), 1U);
}

TEST(LanguageDocument, ItsExampleIsAProgram) {
  const std::string text = document();
  const std::size_t at = text.find(std::string("```\n") + std::string(kTextHeader)) + 4;
  const auto program = parse_text(text.substr(at, text.find("```", at) - at), "the example");
  ASSERT_TRUE(program) << program.error().message;
  EXPECT_EQ(program->operations.size(), 4U);
}

}  // namespace
}  // namespace faultline::vmm::fuzz
