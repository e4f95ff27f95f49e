// What fault-around is worth in a guest: the cost of a page that a read fault maps along with
// its neighbours, as a ratio to that of a page which faults by itself. Each is what a program
// takes that touches every page of a file in memory, less what the same program takes that
// touches none.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <vector>

#include "vmm/run/session.hpp"

namespace faultline::bench {
namespace {

constexpr const char* kAround = FAULTLINE_GUEST_PROGRAMS "/around";
constexpr std::uint64_t kPages = 4096;

// Seconds from the first instruction to the exit; 0 when it cannot run (said so).
double run_seconds(benchmark::State& state, const char* backend, const char* access) {
  vmm::SessionConfig config;
  config.machine.backend = backend;
  config.machine.memory_bytes = 1ULL << 30;
  config.exec.program = kAround;
  config.exec.argv = {kAround, std::to_string(kPages), access};
  auto session = vmm::Session::create(std::move(config));
  if (!session) {
    state.SkipWithError(session.error().message.c_str());
    return 0;
  }
  const auto start = std::chrono::steady_clock::now();
  const auto end = (*session)->run();
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (end && std::holds_alternative<vmm::TaskExited>(*end)) return seconds;
  state.SkipWithError("the program did not run to its end");
  return 0;
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

void measure(benchmark::State& state, const char* backend) {
  std::vector<double> around, alone, ratio;
  for (auto _ : state) {
    const double nothing = run_seconds(state, backend, "nothing");
    const double read = nothing > 0 ? run_seconds(state, backend, "read") : 0;
    const double write = read > 0 ? run_seconds(state, backend, "write") : 0;
    if (write == 0) return;
    around.push_back((read - nothing) / kPages * 1e6);
    alone.push_back((write - nothing) / kPages * 1e6);
    ratio.push_back(around.back() / alone.back());
    state.SetIterationTime(nothing + read + write);
  }
  state.counters["around_us_a_page"] = median(around);
  state.counters["alone_us_a_page"] = median(alone);
  state.counters["ratio"] = median(ratio);
}

// Goal on PVM: at most 0.2.
void BM_KvmFaultAround(benchmark::State& state) { measure(state, "kvm"); }
BENCHMARK(BM_KvmFaultAround)->UseManualTime()->Iterations(9)->Unit(benchmark::kMillisecond);

void BM_HostedFaultAround(benchmark::State& state) { measure(state, "hosted"); }
BENCHMARK(BM_HostedFaultAround)->UseManualTime()->Iterations(9)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace faultline::bench
