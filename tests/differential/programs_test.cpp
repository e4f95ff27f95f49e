// The guest's own programs (guest/programs) and the libc programs beside them.
#include <gtest/gtest.h>

#include "tests/differential/compare.hpp"

namespace faultline::test {
namespace {

class ProgramsTest : public testing::TestWithParam<Row> {};

TEST_P(ProgramsTest, SameNativelyAndInTheGuest) {
  if (const auto why = why_no_kvm(); !why.empty()) GTEST_SKIP() << why;
  expect_same(GetParam());
}

TEST_P(ProgramsTest, SameNativelyAndHosted) {
  if (const auto why = why_no_hosted(); !why.empty()) GTEST_SKIP() << why;
  expect_same(GetParam(), {"--backend", "hosted"});
}

Row program(const std::string& name, const std::vector<std::string>& arguments = {}) {
  Row row{.name = name, .argv = {"@" + name}};
  row.argv.insert(row.argv.end(), arguments.begin(), arguments.end());
  return row;
}

std::vector<Row> situations() {
  std::vector<Row> rows;
  for (const char* name : {"abort_self",
                           "alignment_check",
                           "altstack_overflow",
                           "anonymous",
                           "bad_stack",
                           "blocked_fault",
                           "breakpoint",
                           "brk",
                           "counts_anonymous",
                           "counts_file",
                           "counts_stack",
                           "data_exec",
                           "divide",
                           "efault",
                           "error_codes",
                           "breakpoint_caught",
                           "file_private",
                           "file_shared",
                           "float_trap",
                           "garbage",
                           "hole_copy",
                           "jump_wild",
                           "kernel_read",
                           "madvise",
                           "mmap",
                           "mprotect",
                           "mremap",
                           "none_read",
                           "noncanonical",
                           "null_call",
                           "null_read",
                           "null_write",
                           "past_eof",
                           "privileged",
                           "registers",
                           "rodata_write",
                           "signals",
                           "single_step",
                           "stack",
                           "stack_overflow",
                           "straddle",
                           "undefined"}) {
    rows.push_back(program(name));
  }
  rows.push_back(program("arguments", {"one", "two words", "", "--help", "-"}));
  rows.push_back(program("exit_status", {"42"}));
  Row large = program("exit_status", {"300"});
  large.name = "exit_status_beyond_a_byte";
  rows.push_back(large);
  return rows;
}

std::vector<Row> libc_programs() {
  std::vector<Row> rows;
  for (const char* libc : {"glibc", "pie", "musl"}) {
    rows.push_back(program(std::string("sort_") + libc));
    rows.push_back(program(std::string("files_") + libc, {"%"}));
    rows.push_back(program(std::string("recover_") + libc));
    rows.push_back(program(std::string("system_") + libc, {"an argument", "5"}));
  }
  return rows;
}

std::string row_name(const testing::TestParamInfo<Row>& info) { return info.param.name; }

INSTANTIATE_TEST_SUITE_P(Situations, ProgramsTest, testing::ValuesIn(situations()), row_name);
INSTANTIATE_TEST_SUITE_P(Libc, ProgramsTest, testing::ValuesIn(libc_programs()), row_name);

}  // namespace
}  // namespace faultline::test
