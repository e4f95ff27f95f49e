// KVM and hosted see the same faults: address, error code, path and outcome, one after the other.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/differential/compare.hpp"
#include "tests/support/scratch_folder.hpp"

namespace faultline::test {
namespace {

struct Fault {
  std::string address, code, path, outcome, ip;
  bool operator==(const Fault&) const = default;
};
void PrintTo(const Fault& f, std::ostream* out) {
  *out << f.address << " error " << f.code << " at " << f.ip << " " << f.path << " " << f.outcome;
}

std::vector<Fault> faults_of(const std::string& program, const std::string& backend, const ScratchFolder& folder) {
  const std::string log = folder.path() + "/" + backend + ".jsonl";
  const Row row{.name = program, .argv = {"@" + program}};
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

class BackendsTest : public testing::TestWithParam<const char*> {};

TEST_P(BackendsTest, SeeTheSameFaults) {
  if (const auto why = why_no_kvm(); !why.empty()) GTEST_SKIP() << why;
  if (const auto why = why_no_hosted(); !why.empty()) GTEST_SKIP() << why;
  const ScratchFolder folder;
  // Once for the host's page cache: what is not in it faults as major, and with fewer neighbours.
  faults_of(GetParam(), "hosted", folder);
  const auto on_kvm = faults_of(GetParam(), "kvm", folder);
  const auto hosted = faults_of(GetParam(), "hosted", folder);
  ASSERT_FALSE(on_kvm.empty());
  EXPECT_EQ(on_kvm, hosted);
}

// Not those of glibc: it chooses its string functions by CPUID, of which KVM shows a part.
INSTANTIATE_TEST_SUITE_P(Programs, BackendsTest,
                         testing::Values("alignment_check", "altstack_overflow", "anonymous", "arguments", "bad_stack",
                                         "blocked_fault", "breakpoint_caught", "brk", "counts_anonymous", "counts_file",
                                         "counts_stack", "data_exec", "divide", "efault", "error_codes", "file_private",
                                         "file_shared", "float_trap", "garbage", "hole_copy", "jump_wild",
                                         "kernel_read", "madvise", "mmap", "mprotect", "mremap", "noncanonical",
                                         "none_read", "null_call", "null_read", "null_write", "past_eof", "privileged",
                                         "registers", "rodata_write", "signals", "single_step", "stack",
                                         "stack_overflow", "straddle", "undefined", "sort_musl", "recover_musl"),
                         [](const auto& program) { return std::string(program.param); });

}  // namespace
}  // namespace faultline::test
