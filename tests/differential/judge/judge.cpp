#include "tests/differential/judge/judge.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <fstream>

#include "tests/differential/judge/guest_faults.hpp"
#include "tests/differential/judge/native_faults.hpp"
#include "tests/support/process.hpp"

namespace faultline::test {
namespace {

struct Run {
  ProcessResult process;
  FaultHistory faults = {};
  std::uint64_t page_faults = 0, programs = 0;
  bool copies_failed = false;
  std::string problem = {};  // the faults are not all there
};

// A page of the program that is not in the page cache is a major fault with fewer neighbours mapped around it.
void warm_page_cache(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::array<char, 65536> part{};
  while (file.read(part.data(), part.size()) || file.gcount() > 0) {
  }
}

Run run_natively(const Trial& trial, NativeFaults& recorder) {
  warm_page_cache(trial.argv[0]);
  Run run;
  run.process = run_process({.argv = trial.argv,
                             .folder = trial.folder,
                             .conditions = Conditions::kOracle,
                             .timeout = trial.timeout,
                             .before_exec = [&](pid_t process) { recorder.attach(process); }});
  run.faults = recorder.take(run.problem);
  run.page_faults = recorder.page_faults();
  run.programs = recorder.programs();
  return run;
}

Run run_in_guest(const Trial& trial) {
  const std::string log = trial.folder + "/faults.jsonl";
  const std::string statistics = trial.folder + "/statistics.json";
  ProcessRequest request{.argv = {trial.cli, "run", "-q"}, .folder = trial.folder, .timeout = trial.timeout};
  request.argv.insert(request.argv.end(), {"--fault-log", log, "--fault-format", "jsonl"});
  request.argv.insert(request.argv.end(), {"--stats-json", statistics});
  request.argv.insert(request.argv.end(), trial.options.begin(), trial.options.end());
  request.argv.emplace_back("--");
  request.argv.insert(request.argv.end(), trial.argv.begin(), trial.argv.end());
  Run run{.process = run_process(request)};
  const GuestFaults faults = guest_faults(log, run.problem);
  run.faults = faults.history;
  run.copies_failed = faults.copies_failed;
  run.page_faults = guest_page_faults(statistics, run.problem);
  return run;
}

std::string two_texts(const std::string& what, const std::string& native, const std::string& guest) {
  const auto [x, y] = std::mismatch(native.begin(), native.end(), guest.begin(), guest.end());
  const auto at = static_cast<std::size_t>(x - native.begin());
  const std::size_t from = at < 400 ? 0 : at - 400;
  return what + " parts at byte " + std::to_string(at) + "\n  natively\n" + native.substr(from, 1200) +
         "\n  in the guest\n" + guest.substr(from, 1200);
}

void compare_processes(const ProcessResult& native, const ProcessResult& guest, Judgement& judgement) {
  auto& differences = judgement.differences;
  if (native.timed_out || guest.timed_out) {
    differences.push_back(std::string("timed out ") + (native.timed_out ? "natively" : "in the guest"));
  }
  if (native.out != guest.out) differences.push_back(two_texts("stdout", native.out, guest.out));
  if (native.err != guest.err) differences.push_back(two_texts("stderr", native.err, guest.err));
  if (native.status != guest.status) {
    differences.push_back("status " + std::to_string(native.status) + " natively, " + std::to_string(guest.status) +
                          " in the guest");
  }
}

}  // namespace

Judgement judge(const Trial& trial) {
  Judgement judgement;
  NativeFaults recorder;
  const Run native = run_natively(trial, recorder);
  const Run guest = run_in_guest(trial);
  compare_processes(native.process, guest.process, judgement);
  if (!guest.problem.empty()) judgement.differences.push_back("fault log of the guest: " + guest.problem);
  if (!native.problem.empty()) judgement.differences.push_back("native measurement: " + native.problem);
  judgement.faults_not_compared = recorder.why_not();
  if (!judgement.faults_not_compared.empty()) return judgement;
  for (const auto& process : native.faults) judgement.faults += process.size();
  if (judgement.faults == 0) judgement.differences.emplace_back("native measurement: no fault was recorded");
  if (auto where = first_difference(native.faults, guest.faults); !where.empty()) {
    judgement.differences.push_back("faults: " + where);
  }
  // The guest's statistics are those of the last program of its first process. How often a system call tries a copy
  // that fails is its own affair: pipes, files and structures each have another way.
  const bool comparable = native.faults.size() == 1 && native.programs == 1 && !guest.copies_failed;
  if (comparable && native.page_faults != guest.page_faults) {
    judgement.differences.push_back("page-faults counted with registers: " + std::to_string(native.page_faults) +
                                    " natively, " + std::to_string(guest.page_faults) + " in the guest");
  }
  return judgement;
}

}  // namespace faultline::test
