#include "vmm/fuzz/binary.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "vmm/fuzz/generate.hpp"
#include "vmm/fuzz/layout.hpp"
#include "vmm/fuzz/text.hpp"

namespace faultline::vmm::fuzz {
namespace {

std::vector<std::byte> bytes(std::initializer_list<int> values) {
  std::vector<std::byte> out;
  for (const int v : values) out.push_back(static_cast<std::byte>(v));
  return out;
}

std::string refusal(const std::vector<std::byte>& input) {
  const auto program = parse_binary(input, "f");
  return program ? "accepted" : program.error().message;
}

TEST(Binary, IsAsTheDocumentSaysByteByByte) {
  const Program program{{{Op::kFork, {}},
                         {Op::kUnmap, {pack({2, -8}), static_cast<std::int64_t>(kAbsurdLengths[1])}},
                         {Op::kResize, {1, 0x12345}},
                         {Op::kFlipEntry, {pack({8, 0x1ff8}), 4, 63}}}};
  EXPECT_EQ(to_binary(program), bytes({0x89, 'F', 'L',  'P',  1,    4,    0,           // header
                                       10,                                             // fork
                                       1,    2,   0xf8, 0xff, 0xff, 0xfe, 0xff, 0xff,  // unmap
                                       9,    1,   0x45, 0x23, 0x01,                    // resize
                                       22,   8,   0xf8, 0x1f, 0x00, 4,    63}));       // flip-entry
}

TEST(Binary, GeneratedProgramsSurvive) {
  for (unsigned seed = 0; seed < 1000; ++seed) {
    std::mt19937_64 random(seed);
    const Program program = generate(random, {.operations = seed % 257, .raw = true, .failures = true});
    const auto again = parse_binary(to_binary(program), "f");
    ASSERT_TRUE(again) << again.error().message;
    ASSERT_EQ(*again, program);
    ASSERT_LE(to_binary(program).size(), kMaxBinaryBytes);
  }
}

TEST(Binary, EveryPrefixAndEveryTrailingByteIsRefused) {
  std::mt19937_64 random(1);
  auto whole = to_binary(generate(random, {.raw = true}));
  for (std::size_t n = 0; n < whole.size(); ++n) {
    EXPECT_THAT(refusal({whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(n)}),
                testing::StartsWith("f: byte " + std::to_string(n) + ": the file ends; expected "));
  }
  whole.push_back(std::byte{0});
  EXPECT_EQ(refusal(whole),
            "f: byte " + std::to_string(whole.size() - 1) + ": 1 bytes after the last operation, where the file ends");
}

TEST(Binary, WhatIsWrongIsNamedWithItsByte) {
  EXPECT_EQ(refusal(bytes({0x89, 'F', 'L', 'X', 1, 0, 0})),
            "f: byte 3: this is no program: it does not begin with 89 46 4C 50");
  EXPECT_EQ(refusal(bytes({0x89, 'F', 'L', 'P', 2, 0, 0})), "f: byte 4: version 2 is not known; version 1 is");
  EXPECT_EQ(refusal(bytes({0x89, 'F', 'L', 'P', 1, 1, 1})), "f: byte 5: 257 operations; at most 256 are read");
  EXPECT_EQ(refusal(bytes({0x89, 'F', 'L', 'P', 1, 1, 0, 26})), "f: byte 7: 26 is no operation; there are 0 to 25");
  EXPECT_EQ(refusal(bytes({0x89, 'F', 'L', 'P', 1, 2, 0, 10, 12, 4})),
            "f: byte 9: operand 1 of switch is not a process: 0 to 3");
  EXPECT_EQ(refusal(bytes({0x89, 'F', 'L', 'P', 1, 1, 0, 9, 0, 0, 0, 0})), "f: byte 7: anonymous memory has no size");
  // One beyond the farthest from a place.
  EXPECT_THAT(refusal(bytes({0x89, 'F', 'L', 'P', 1, 1, 0, 15, 0, 1, 0, 8})),
              testing::StartsWith("f: byte 8: operand 1 of fetch is not an address: "));
}

TEST(Binary, FilesOfEitherFormAreLoaded) {
  const std::string path = testing::TempDir() + "/faultline_fuzz_binary_test";
  const Program program{{{Op::kFork, {}}, {Op::kSwitch, {1}}}};
  const auto binary = to_binary(program);
  std::ofstream(path).write(reinterpret_cast<const char*>(binary.data()), static_cast<std::streamsize>(binary.size()));
  EXPECT_EQ(load_program(path), program);
  std::ofstream(path) << to_text(program);
  EXPECT_EQ(load_program(path), program);
  std::ofstream(path) << "\x89"
                         "F";
  EXPECT_EQ(load_program(path).error().message, path + ": byte 2: the file ends; expected a header of 7 bytes");
  std::ofstream(path) << std::string(kMaxTextBytes + 5, '#');
  EXPECT_EQ(load_program(path).error().message,
            path + ":1:1: the file has more than 262144 bytes, which are all that is read");
  EXPECT_EQ(std::remove(path.c_str()), 0);
  EXPECT_EQ(load_program(path).error().message, path + ": cannot be read: No such file or directory");
  EXPECT_EQ(load_program(testing::TempDir()).error().message, testing::TempDir() + ": cannot be read: Is a directory");
}

}  // namespace
}  // namespace faultline::vmm::fuzz
