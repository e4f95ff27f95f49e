// KVM and hosted see the same faults: address, error code, path and outcome, one after the other.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/differential/tables.hpp"
#include "tests/support/pinned_file.hpp"

namespace faultline::test {
namespace {

struct Fault {
  std::string address, code, path, outcome, ip;
  bool operator==(const Fault&) const = default;
};
void PrintTo(const Fault& f, std::ostream* out) {
  *out << f.address << " error " << f.code << " at " << f.ip << " " << f.path << " " << f.outcome;
}

// Keeps what a row reads in the host's page cache. A page that is not there is a major fault, or
// is left out of what a neighbour's fault brings in: some hosts reclaim what nobody mapped for a
// second. False when it cannot.
bool pin_files(const Row& row, const std::string& folder, std::vector<PinnedFile>& files) {
  files.emplace_back(expand(row.argv, folder).front());
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder))
    if (entry.is_regular_file()) files.emplace_back(entry.path());
  return std::ranges::all_of(files, &PinnedFile::pinned);
}

std::vector<Fault> faults_of(const Row& row, const std::string& backend, const ScratchFolder& folder,
                             const ScratchFolder& logs) {
  const std::string log = logs.path() + "/" + backend + ".jsonl";
  populate(folder, row);
  std::vector<PinnedFile> files;
  EXPECT_TRUE(pin_files(row, folder.path(), files)) << "the files cannot be locked in memory: RLIMIT_MEMLOCK";
  run_in_guest({"-q", "--backend", backend, "--fault-log", log, "--fault-format", "jsonl"}, row, folder.path());
  std::vector<Fault> faults;
  std::ifstream file(log);
  for (std::string line; std::getline(file, line);) {
    const auto record = nlohmann::json::parse(line, nullptr, false);
    if (record.is_discarded() || !record.contains("address")) continue;
    EXPECT_EQ(record["backend"] == "hosted", backend == "hosted");
    faults.push_back(
        {record["address"], record["error"]["code"], record["path"].dump(), record["outcome"].dump(), record["ip"]});
  }
  return faults;
}

class BackendsTest : public testing::TestWithParam<Row> {};

TEST_P(BackendsTest, SeeTheSameFaults) {
  if (const auto why = why_no_kvm(); !why.empty()) GTEST_SKIP() << why;
  if (const auto why = why_no_hosted(); !why.empty()) GTEST_SKIP() << why;
  if (!hosted_can("CPUID as told")) GTEST_SKIP() << "hosted guests see the host's own CPUID here";
  const ScratchFolder folder, logs;
  const std::vector<Fault> hosted = faults_of(GetParam(), "hosted", folder, logs);
  const std::vector<Fault> on_kvm = faults_of(GetParam(), "kvm", folder, logs);
  ASSERT_FALSE(on_kvm.empty());
  EXPECT_EQ(on_kvm, hosted);
}

// A log of more pages says nothing new.
std::vector<Row> without_the_longest(std::vector<Row> rows) {
  constexpr std::size_t kLongest = 2 << 20;
  std::erase_if(rows, [](const Row& row) { return row.noise_bytes.value_or(0) > kLongest; });
  return rows;
}

std::string row_name(const testing::TestParamInfo<Row>& info) { return info.param.name; }

INSTANTIATE_TEST_SUITE_P(Situations, BackendsTest, testing::ValuesIn(situations()), row_name);
INSTANTIATE_TEST_SUITE_P(Libc, BackendsTest, testing::ValuesIn(libc_programs()), row_name);
INSTANTIATE_TEST_SUITE_P(Digests, BackendsTest, testing::ValuesIn(without_the_longest(digests())), row_name);
INSTANTIATE_TEST_SUITE_P(Compression, BackendsTest, testing::ValuesIn(compression()), row_name);
INSTANTIATE_TEST_SUITE_P(Text, BackendsTest, testing::ValuesIn(text_tools()), row_name);
INSTANTIATE_TEST_SUITE_P(FilesAndSystem, BackendsTest, testing::ValuesIn(files_and_system()), row_name);
INSTANTIATE_TEST_SUITE_P(Shell, BackendsTest, testing::ValuesIn(shell()), row_name);

}  // namespace
}  // namespace faultline::test
