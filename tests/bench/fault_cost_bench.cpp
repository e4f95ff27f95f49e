// What a guest fault costs end to end, as a ratio to the barest loop that can answer one: both in
// this process, in turns, so that a noisy machine is noisy for both.
#include <benchmark/benchmark.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <vector>

#include "tests/bench/bare_loop.hpp"
#include "vmm/record/fault_log.hpp"
#include "vmm/run/session.hpp"

namespace faultline::bench {
namespace {

constexpr std::uint64_t kPages = 4096;
constexpr const char* kTouch = FAULTLINE_GUEST_PROGRAMS "/touch";

using Clock = std::chrono::steady_clock;

double elapsed_ns(Clock::time_point since) {
  return std::chrono::duration<double, std::nano>(Clock::now() - since).count();
}

// Nanoseconds a fault of the bare loop; 0 when it cannot run (said so).
double bare_fault_ns(benchmark::State& state) {
  auto loop = BareLoop::create(kPages);
  if (!loop) {
    state.SkipWithError(loop.error().message.c_str());
    return 0;
  }
  const auto start = Clock::now();
  for (std::uint64_t i = 0; i < kPages; ++i) {
    if (!(*loop)->fault()) {
      state.SkipWithError("the bare loop stopped early");
      return 0;
    }
  }
  return elapsed_ns(start) / static_cast<double>(kPages);
}

// The same of the product: a program that touches kPages pages, from its first instruction to
// its exit, by the faults it took.
double product_fault_ns(benchmark::State& state, vmm::FaultLog* log) {
  vmm::SessionConfig config;
  config.exec.program = kTouch;
  config.exec.argv = {kTouch, std::to_string(kPages)};
  if (log != nullptr) config.on_fault = [log](const vmm::FaultRecord& record) { log->write(record); };
  auto session = vmm::Session::create(std::move(config));
  if (!session) {
    state.SkipWithError(session.error().message.c_str());
    return 0;
  }
  const auto start = Clock::now();
  const auto end = (*session)->run();
  const double ns = elapsed_ns(start);
  const auto faults = (*session)->runner().statistics().page_faults;
  if (!end || !std::holds_alternative<vmm::TaskExited>(*end) || faults < kPages) {
    state.SkipWithError("the program did not run to its end");
    return 0;
  }
  return ns / static_cast<double>(faults);
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

// Goals on PVM: off at most 1.10, on at most 1.25.
void BM_GuestFaultCost(benchmark::State& state) {
  auto log = vmm::FaultLog::open("/dev/null", {.format = vmm::LogFormat::kJsonLines, .on_error = {}});
  if (!log) return state.SkipWithError(log.error().message.c_str());
  std::vector<double> bare, off, on, ratio_off, ratio_on;
  for (auto _ : state) {
    const double b = bare_fault_ns(state);
    const double p = b > 0 ? product_fault_ns(state, nullptr) : 0;
    const double r = p > 0 ? product_fault_ns(state, log->get()) : 0;
    if (r == 0) return;
    bare.push_back(b);
    off.push_back(p);
    on.push_back(r);
    ratio_off.push_back(p / b);
    ratio_on.push_back(r / b);
    state.SetIterationTime((b + p + r) * kPages / 1e9);
  }
  state.counters["bare_us"] = median(bare) / 1e3;
  state.counters["off_us"] = median(off) / 1e3;
  state.counters["on_us"] = median(on) / 1e3;
  state.counters["off_ratio"] = median(ratio_off);
  state.counters["on_ratio"] = median(ratio_on);
}
BENCHMARK(BM_GuestFaultCost)->UseManualTime()->Iterations(9)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace faultline::bench
