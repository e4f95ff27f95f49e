#include "tests/differential/tables.hpp"

namespace faultline::test {
namespace {

Row program(const std::string& name, const std::vector<std::string>& arguments = {}) {
  Row row{.name = name, .argv = {"@" + name}};
  row.argv.insert(row.argv.end(), arguments.begin(), arguments.end());
  return row;
}

}  // namespace

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

std::vector<Row> process_programs() {
  std::vector<Row> rows;
  for (const char* libc : {"glibc", "pie", "musl"}) {
    rows.push_back(program(std::string("processes_") + libc));
    rows.push_back(program(std::string("jobs_") + libc));
  }
  return rows;
}

}  // namespace faultline::test
