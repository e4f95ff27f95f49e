// A recording of a shell with two children, made once for all tests of a process.
#pragma once

#include <string>

#include "tests/cli/cli.hpp"
#include "tests/support/scratch_folder.hpp"

namespace faultline::test {

// Its path; empty when no guest can run here.
inline const std::string& recording_of_a_fork() {
  static const ScratchFolder folder;
  static const std::string file = [] {
    if (!why_no_guest().empty()) return std::string();
    const std::string path = folder.path() + "/run.flr";
    const auto run =
        faultline({"run", "--record", path, "--", "/bin/busybox", "sh", "-c", "echo a | /bin/busybox cat"});
    EXPECT_EQ(run.status, 0) << run.err;
    return path;
  }();
  return file;
}

}  // namespace faultline::test
