// What a case of the conformance matrix costs: to predict, to walk, and to run on the KVM at hand.
#include <benchmark/benchmark.h>

#include "vmm/conform/conformance.hpp"
#include "vmm/conform/second_opinion.hpp"

namespace faultline::vmm::conform {
namespace {

constexpr model::Cpu kCpu{46, true, true, false};

const std::vector<Case>& some_cases() {
  static const std::vector<Case> cases = plan(make_matrix(kCpu), {.cases = 20'000, .seed = 2}).cases;
  return cases;
}

void count(benchmark::State& state, std::uint64_t cases) {
  state.counters["cases/s"] = benchmark::Counter(static_cast<double>(cases), benchmark::Counter::kIsRate);
}

void model_predicts(benchmark::State& state) {
  std::uint64_t n = 0;
  for (auto _ : state) {
    const Case& c = some_cases()[n++ % some_cases().size()];
    benchmark::DoNotOptimize(expect(c, kCpu));
  }
  count(state, n);
}
BENCHMARK(model_predicts);

void mmu_walks(benchmark::State& state) {
  SecondOpinion mmu(kCpu);
  std::vector<Expectation> expectations;
  for (const Case& c : some_cases()) expectations.push_back(expect(c, kCpu));
  std::uint64_t n = 0;
  for (auto _ : state) {
    const std::size_t i = n++ % some_cases().size();
    benchmark::DoNotOptimize(mmu.disagreement(some_cases()[i], expectations[i]));
  }
  count(state, n);
}
BENCHMARK(mmu_walks);

// One iteration is a whole run, the making of machines included. Labelled with the backend.
void kvm_runs(benchmark::State& state) {
  const auto system = kvm::System::open();
  if (!system) return state.SkipWithError(system.error().message.c_str());
  const auto capabilities = probe(*system);
  if (!capabilities) return state.SkipWithError(capabilities.error().message.c_str());
  Request request;
  request.selection = {.cases = static_cast<std::uint64_t>(state.range(0)), .seed = 2};
  request.baseline = Baseline::builtin().of(capabilities->backend);
  std::uint64_t cases = 0;
  double wall = 0, inside = 0;
  for (auto _ : state) {
    const auto verdict = run_matrix(*system, *capabilities, request);
    if (!verdict) return state.SkipWithError(verdict.error().message.c_str());
    cases += verdict->total().run();
    wall += std::chrono::duration<double>(verdict->wall).count();
    inside += std::chrono::duration<double>(verdict->in_guest).count();
  }
  state.SetLabel(capabilities->backend);
  state.counters["cases/s"] = static_cast<double>(cases) / wall;
  state.counters["outside KVM_RUN %"] = 100 * (1 - inside / wall);
}
BENCHMARK(kvm_runs)->Arg(30'000)->Unit(benchmark::kMillisecond)->UseRealTime()->Iterations(1);

}  // namespace
}  // namespace faultline::vmm::conform
