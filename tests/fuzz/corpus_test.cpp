// The committed programs of tests/fuzz/corpus, what must be refused, and the parsers under
// thousands of inputs made from both.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <regex>

#include "vmm/fuzz/binary.hpp"
#include "vmm/fuzz/text.hpp"

namespace faultline::vmm::fuzz {
namespace {

namespace fs = std::filesystem;

const fs::path kCorpus = fs::path(FAULTLINE_SOURCE) / "tests/fuzz/corpus";

std::vector<fs::path> files(const fs::path& folder) {
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() == ".fuzz" || entry.path().extension() == ".bin") found.push_back(entry.path());
  }
  std::ranges::sort(found);
  return found;
}

std::string content(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST(Corpus, EveryProgramSurvivesBothForms) {
  const auto programs = files(kCorpus);
  EXPECT_GE(programs.size(), 14U);
  for (const fs::path& path : programs) {
    const auto program = load_program(path);
    ASSERT_TRUE(program) << program.error().message;
    EXPECT_EQ(parse_text(to_text(*program), "f"), *program) << path;
    EXPECT_EQ(parse_binary(to_binary(*program), "f"), *program) << path;
  }
}

// malformed/refusals: a line a file, NAME, a tab, and the message without the file's folder.
TEST(Corpus, EveryMalformedFileIsRefusedAsExpected) {
  std::map<std::string, std::string> expected;
  std::ifstream in(kCorpus / "malformed/refusals");
  for (std::string line; std::getline(in, line);)
    expected[line.substr(0, line.find('\t'))] = line.substr(line.find('\t') + 1);
  for (const fs::path& path : files(kCorpus / "malformed")) {
    const auto program = load_program(path);
    ASSERT_FALSE(program) << path;
    const std::string folder = path.parent_path().string() + "/", &message = program.error().message;
    ASSERT_THAT(message, testing::StartsWith(folder));
    EXPECT_EQ(message.substr(folder.size()), expected[path.filename()]) << path;
    expected.erase(path.filename());
  }
  EXPECT_THAT(expected, testing::IsEmpty());
}

// One to four changes: bytes changed, left out, repeated, or taken from another input.
std::string changed(std::string text, const std::string& other, std::mt19937_64& random) {
  for (std::uint64_t changes = 1 + random() % 4; changes != 0; --changes) {
    const std::size_t at = random() % (text.size() + 1), count = random() % 9;
    switch (random() % 5) {
      case 0: text.insert(at, 1, static_cast<char>(random())); break;
      case 1: text.erase(at, count); break;
      case 2: text.insert(at, text.substr(at, count)); break;
      case 3: text.insert(at, other.substr(random() % (other.size() + 1), count * 4)); break;
      default:
        if (at < text.size()) text[at] = static_cast<char>(static_cast<unsigned char>(text[at]) ^ 1U << random() % 8);
    }
  }
  return text;
}

// Accepted: it survives. Refused: in one printable line that begins with file and place.
void check(const Result<Program>& program, const std::regex& place) {
  if (program) {
    ASSERT_EQ(illegal(*program), std::nullopt);
    ASSERT_EQ(parse_binary(to_binary(*program), "f"), *program);
    ASSERT_EQ(parse_text(to_text(*program), "f"), *program);
    return;
  }
  const std::string& message = program.error().message;
  ASSERT_TRUE(std::regex_search(message, place, std::regex_constants::match_continuous)) << message;
  ASSERT_TRUE(std::ranges::all_of(message, [](char c) { return c >= ' ' && c <= '~'; })) << message;
  ASSERT_LT(message.size(), 600U);
}

TEST(Corpus, TheParsersStandWhateverTheyGet) {
  const std::regex line_and_column("f:[1-9][0-9]*:[1-9][0-9]*: [^ ]"), byte("f: byte [0-9]+: [^ ]");
  std::vector<std::string> inputs;
  for (const fs::path& folder : {kCorpus, kCorpus / "malformed"}) {
    for (const fs::path& path : files(folder)) {
      inputs.push_back(content(path));
      const auto program = load_program(path);
      if (!program) continue;
      const auto binary = to_binary(*program);
      inputs.emplace_back(reinterpret_cast<const char*>(binary.data()), binary.size());
    }
  }
  std::mt19937_64 random(1);
  unsigned accepted = 0, refused = 0;
  for (unsigned i = 0; i < 20'000; ++i) {
    const std::string input = changed(inputs[random() % inputs.size()], inputs[random() % inputs.size()], random);
    const auto text = parse_text(input, "f");
    const auto binary = parse_binary(std::as_bytes(std::span(input)), "f");
    ASSERT_NO_FATAL_FAILURE(check(text, line_and_column));
    ASSERT_NO_FATAL_FAILURE(check(binary, byte));
    const bool good = text.has_value() || binary.has_value();
    ++(good ? accepted : refused);
  }
  EXPECT_GT(accepted, 500U);
  EXPECT_GT(refused, 5000U);
}

}  // namespace
}  // namespace faultline::vmm::fuzz
