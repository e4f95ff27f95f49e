// What a program of the fuzzer costs in the guest, as a ratio to a bare loop that enters the guest
// once for each program: both in this process, in turns. Most of it is the backend's: each fault and
// each instruction stepped is an exit.
#include <benchmark/benchmark.h>

#include <array>
#include <chrono>
#include <random>

#include "tests/bench/fuzz_guest.hpp"
#include "vmm/fuzz/generate.hpp"
#include "vmm/fuzz/guest/guest_judge.hpp"

namespace faultline::vmm::fuzz {
namespace {

constexpr unsigned kPrograms = 256;

const std::vector<Program>& programs() {
  static const std::vector<Program> all = [] {
    std::vector<Program> made;
    for (unsigned i = 0; i < kPrograms; ++i) {
      std::mt19937_64 random(i);
      made.push_back(generate(random, {}));
    }
    return made;
  }();
  return all;
}

double seconds(std::chrono::steady_clock::time_point since) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - since).count();
}

void run_programs(benchmark::State& state, const char* backend, bool check_dirty_pages) {
  auto guest = GuestJudge::create(backend);
  if (!guest) return state.SkipWithError(guest.error().message.c_str());
  auto loop = WritingGuest::create(backend, 1, false);
  if (!loop) return state.SkipWithError(loop.error().message.c_str());
  if (check_dirty_pages) {
    if (auto on = (*guest)->check_dirty_pages(true); !on) return state.SkipWithError(on.error().message.c_str());
  }
  double wall = 0, bare = 0;
  GuestCost cost;
  std::uint64_t n = 0;
  for (auto _ : state) {
    auto start = std::chrono::steady_clock::now();
    for (const Program& program : programs()) {
      const auto trace = (*guest)->run(program);
      if (!trace) return state.SkipWithError(trace.error().message.c_str());
      cost += trace->guest;
    }
    wall += seconds(start);
    n += kPrograms;
    start = std::chrono::steady_clock::now();
    for (unsigned i = 0; i < kPrograms; ++i) {
      if (auto entered = (*loop)->write_pages(); !entered) return state.SkipWithError(entered.error().message.c_str());
    }
    bare += seconds(start);
  }
  const auto programs_run = static_cast<double>(n);
  state.SetLabel(std::string((*guest)->name()));
  state.counters["programs/s"] = programs_run / wall;
  state.counters["bare/s"] = programs_run / bare;
  state.counters["inside %"] = static_cast<double>(cost.inside_ns) * 1e-7 / wall;
  state.counters["control %"] = static_cast<double>(cost.control_ns) * 1e-7 / wall;
  state.counters["entries"] = static_cast<double>(cost.entries) / programs_run;
  state.counters["list ends"] = static_cast<double>(cost.list_ends) / programs_run;
  state.counters["full drops"] = static_cast<double>(cost.full_drops) / programs_run;
  state.counters["bare entries' time"] = wall / bare;
}

// The same programs one at a time and as many at once as share an entry, in turns.
void guest_programs_together(benchmark::State& state, const char* backend) {
  auto guest = GuestJudge::create(backend);
  if (!guest) return state.SkipWithError(guest.error().message.c_str());
  std::vector<const Program*> all;
  for (const Program& program : programs()) all.push_back(&program);
  struct Way {
    unsigned at_once;
    double wall = 0;
    GuestCost cost{};
  };
  std::array<Way, 2> ways{Way{1}, Way{GuestJudge::kMostTogether}};
  double n = 0;
  for (auto _ : state) {
    for (Way& way : ways) {
      (*guest)->set_at_once(way.at_once);
      const auto start = std::chrono::steady_clock::now();
      for (const auto& trace : (*guest)->run_many(all)) {
        if (!trace) return state.SkipWithError(trace.error().message.c_str());
        way.cost += trace->guest;
      }
      way.wall += seconds(start);
    }
    n += kPrograms;
  }
  state.SetLabel(std::string((*guest)->name()));
  const auto tell = [&](const std::string& how, const Way& way) {
    state.counters[how + " programs/s"] = n / way.wall;
    state.counters[how + " entries"] = static_cast<double>(way.cost.entries) / n;
    state.counters[how + " list ends"] = static_cast<double>(way.cost.list_ends) / n;
    state.counters[how + " inside us"] = static_cast<double>(way.cost.inside_ns) * 1e-3 / n;
    state.counters[how + " control %"] = static_cast<double>(way.cost.control_ns) * 1e-7 / way.wall;
    state.counters[how + " full drops"] = static_cast<double>(way.cost.full_drops) / n;
  };
  tell("alone", ways[0]);
  tell("together", ways[1]);
  state.counters["ratio"] = ways[0].wall / ways[1].wall;
}

void guest_programs(benchmark::State& state, const char* backend) { run_programs(state, backend, false); }
void guest_programs_with_dirty_log(benchmark::State& state, const char* backend) { run_programs(state, backend, true); }

BENCHMARK_CAPTURE(guest_programs, kvm, "kvm")->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK_CAPTURE(guest_programs_together, kvm, "kvm")->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK_CAPTURE(guest_programs, hosted, "hosted")->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK_CAPTURE(guest_programs_with_dirty_log, kvm, "kvm")->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
}  // namespace faultline::vmm::fuzz
