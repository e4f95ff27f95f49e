// `faultline run --kernel`: output, exit statuses, the report and its record, refusals.
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/cli/cli.hpp"
#include "tests/support/scratch_folder.hpp"

namespace faultline::test {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

constexpr int kOops = 122, kVcpuDied = 123, kHarnessFailed = 125, kCannotExecute = 126, kNotFound = 127;

TEST(KernelCli, Refusals) {
  expect_usage_error(faultline({"run", "--kernel", guest_program("kernel_sync"), "program"}));
  expect_usage_error(faultline({"run", "--kernel", guest_program("kernel_sync"), "--", "word"}));
  expect_usage_error(faultline({"run", "--kernel", guest_program("kernel_sync"), "--strace"}));
  expect_usage_error(faultline({"run", "--oops-json", "x", guest_program("exit_status")}));
  const auto missing = faultline({"run", "--kernel", "/nonexistent"});
  EXPECT_EQ(missing.status, kNotFound);
  expect_one_line(missing);
  const auto wrong = faultline({"run", "--kernel", guest_program("exit_status")});
  EXPECT_EQ(wrong.status, kCannotExecute);
  expect_one_line(wrong);
}

TEST(KernelCli, RunsAndDies) {
  if (const auto why = why_no_kvm(); !why.empty()) GTEST_SKIP() << why;
  const auto good = faultline({"run", "--memory", "32M", "--kernel", guest_program("kernel_sync")});
  EXPECT_EQ(good.status, 0) << good.err;
  EXPECT_EQ(good.out, "vmalloc faults: 1\n");
  const ScratchFolder folder;
  const auto dead = faultline({"run", "--memory", "32M", "--kernel", guest_program("kernel_oops"), "--oops-json",
                               folder.path("oops"), "--", "3"});
  EXPECT_EQ(dead.status, kOops);
  EXPECT_EQ(dead.out, "");
  EXPECT_THAT(dead.err, StartsWith("BUG: stack overflow, guard page hit at address: "));
  EXPECT_THAT(dead.err, HasSubstr("\nCall Trace:\n recurse+0x"));
  const auto record = nlohmann::json::parse(std::ifstream(folder.path("oops")));
  EXPECT_EQ(record["kind"], "stack overflow");
  EXPECT_THAT(dead.err, StartsWith(record["message"].get<std::string>()));
  const auto tampered = faultline({"run", "--memory", "32M", "--kernel", guest_program("kernel_tables"), "--", "1"});
  EXPECT_EQ(tampered.status, kVcpuDied);
  expect_one_line(tampered);
  EXPECT_THAT(tampered.err, HasSubstr("the program changed a page table of the host's, at guest-physical address 0x"));
}

TEST(KernelCli, OutputThatIsLostIsSaid) {
  if (const auto why = why_no_kvm(); !why.empty()) GTEST_SKIP() << why;
  const std::string sync = FAULTLINE_CLI " run --memory 32M --kernel " + guest_program("kernel_sync");
  const auto printed = run_process({.argv = {"/bin/sh", "-c", sync + " >/dev/full"}});
  EXPECT_EQ(printed.status, kHarnessFailed);
  EXPECT_EQ(printed.err, "faultline: standard output: No space left on device\n");
  const auto record = faultline(
      {"run", "--memory", "32M", "--kernel", guest_program("kernel_oops"), "--oops-json", "/dev/full", "--", "3"});
  EXPECT_EQ(record.status, kHarnessFailed);
  EXPECT_THAT(record.err, HasSubstr("\nfaultline: --oops-json: /dev/full: No space left on device\n"));
}

}  // namespace
}  // namespace faultline::test
