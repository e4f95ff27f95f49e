// Runs a program to its end and keeps everything it said: for tests that look at programs from outside.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <string>
#include <vector>

namespace faultline::test {

enum class Conditions {
  kInherited,
  kOracle,  // what makes Linux's memory management repeatable: no address randomisation, one CPU, THP off
};

struct ProcessRequest {
  std::vector<std::string> argv = {};
  std::string stdin_bytes = {};
  std::vector<std::string> environment = {"PATH=/usr/bin:/bin", "LANG=C", "HOME=/"};
  std::string folder = {};  // where it runs; empty: here
  Conditions conditions = Conditions::kInherited;
  std::chrono::seconds timeout{60};
  std::function<void(pid_t)> before_exec = {};  // called here while the child waits, all conditions made, to exec
};

struct ProcessResult {
  int status = -1;  // as a shell gives it: 128 + n when signal n killed it
  bool timed_out = false;
  std::string out, err;
};

ProcessResult run_process(const ProcessRequest& request);

// Empty when /dev/kvm can be opened, otherwise why the test is skipped.
std::string why_no_kvm();

}  // namespace faultline::test
