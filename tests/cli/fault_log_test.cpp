// The fault log of whole programs, checked against what the programs themselves saw.
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <regex>
#include <sstream>

#include "tests/cli/cli.hpp"
#include "tests/support/scratch_folder.hpp"

namespace faultline::test {
namespace {

using nlohmann::json;

class FaultLogTest : public testing::Test {
 protected:
  void SetUp() override {
    if (const auto why = why_no_guest(); !why.empty()) GTEST_SKIP() << why;
  }

  ProcessResult run_logged(const std::string& program, const std::string& format) {
    return faultline({"run", "--fault-log", log_, "--fault-format", format, "--", guest_program(program)});
  }

  std::string log_text() const {
    std::ifstream file(log_);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  // The records among the lines; the report of a killed guest is a line of another kind.
  std::vector<json> records() const {
    std::vector<json> result;
    std::istringstream lines(log_text());
    for (std::string line; std::getline(lines, line);) {
      json value = json::parse(line, nullptr, false);
      EXPECT_FALSE(value.is_discarded()) << line;
      if (value.is_object() && value.contains("sequence")) result.push_back(std::move(value));
    }
    return result;
  }

  ScratchFolder folder_;
  std::string log_ = folder_.path("log");
};

struct Signal {
  std::string number, code, error;
};

std::vector<Signal> signals_that_the_program_saw(const std::string& output) {
  const std::regex page_fault("signal ([0-9]+) code ([0-9]+) trap 14 error (0x[0-9a-f]+)");
  std::vector<Signal> result;
  for (auto it = std::sregex_iterator(output.begin(), output.end(), page_fault); it != std::sregex_iterator(); ++it) {
    result.push_back({(*it)[1], (*it)[2], (*it)[3]});
  }
  return result;
}

TEST_F(FaultLogTest, RecordsAreNumberedAndComplete) {
  const auto result = run_logged("counts_anonymous", "jsonl");
  EXPECT_EQ(result.status, 0) << result.err;
  const auto all = records();
  ASSERT_GT(all.size(), 1000u);
  std::uint64_t expected = 1;
  for (const auto& record : all) {
    EXPECT_EQ(record.at("sequence"), expected++);
    for (const char* key : {"backend", "vcpu", "origin", "ip", "address", "error", "instruction", "verdict", "walk",
                            "vma", "path", "edits", "tlb", "outcome", "times_ns"}) {
      EXPECT_TRUE(record.contains(key)) << key;
    }
    if (HasFailure()) break;
  }
}

TEST_F(FaultLogTest, SignalsAreThoseThatTheProgramSaw) {
  const auto result = run_logged("error_codes", "jsonl");
  EXPECT_EQ(result.status, 0) << result.err;
  std::vector<Signal> logged;
  for (const auto& record : records()) {
    const auto& signal = record.at("outcome").at("signal");
    if (signal.is_null()) continue;
    logged.push_back({std::to_string(signal.at("number").get<int>()), std::to_string(signal.at("si_code").get<int>()),
                      record.at("error").at("code").get<std::string>()});
  }
  const auto seen = signals_that_the_program_saw(result.out);
  ASSERT_GT(seen.size(), 20u);
  // A kernel address is reported to the program with the P bit forced; the log has the hardware's word.
  ASSERT_EQ(logged.size(), seen.size());
  for (std::size_t i = 0; i < seen.size(); ++i) {
    EXPECT_EQ(logged[i].number, seen[i].number) << i;
    EXPECT_EQ(logged[i].code, seen[i].code) << i;
    EXPECT_EQ(std::stoul(logged[i].error, nullptr, 16) | 1, std::stoul(seen[i].error, nullptr, 16) | 1) << i;
  }
}

// Capstone 4 is wrong about some instructions' access and width; nothing else may differ.
TEST_F(FaultLogTest, TheTwoDecodersAgreeOnWholePrograms) {
  for (const char* program : {"error_codes", "sort_glibc", "sort_musl", "straddle"}) {
    run_logged(program, "jsonl");
    for (const auto& record : records()) {
      for (const auto& difference : record.at("instruction").at("disagreements")) {
        EXPECT_THAT(difference.at("field").get<std::string>(), testing::AnyOf("access", "width")) << record.dump(1);
      }
      if (HasFailure()) return;
    }
  }
}

TEST_F(FaultLogTest, TextHasARecordForEachOfTheJsonOnes) {
  run_logged("null_read", "jsonl");
  const auto all = records();
  ASSERT_FALSE(all.empty());
  EXPECT_EQ(all.back().at("address"), "0x0");
  EXPECT_EQ(all.back().at("outcome").at("signal").at("name"), "SIGSEGV");
  const auto result = run_logged("null_read", "text");
  EXPECT_EQ(result.status, 128 + 11);
  EXPECT_THAT(log_text(), testing::HasSubstr("SIGSEGV"));
}

TEST_F(FaultLogTest, FileThatCannotBeWritten) {
  const auto result = faultline({"run", "--fault-log", folder_.path("no/such/folder"), "--", guest_program("brk")});
  expect_one_line(result);
  EXPECT_EQ(result.status, 2);
}

TEST_F(FaultLogTest, FullDisk) {
  const auto result = faultline({"run", "--fault-log", "/dev/full", "--", guest_program("counts_anonymous")});
  EXPECT_EQ(result.status, 125) << result.err;
  EXPECT_THAT(result.err, testing::HasSubstr("No space left"));
}

}  // namespace
}  // namespace faultline::test
