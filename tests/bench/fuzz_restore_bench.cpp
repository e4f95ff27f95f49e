// What it costs to put dirty pages back, against the memcpy of as many and one ioctl: the least that
// a restore can cost. By what is known here, by KVM's dirty log, and by its dirty ring.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstring>

#include "tests/bench/fuzz_guest.hpp"
#include "vmm/fuzz/guest/snapshot.hpp"
#include "vmm/kvm/kvm_machine.hpp"

namespace faultline::vmm::fuzz {
namespace {

constexpr std::int64_t kMostPages = 1000;

enum class By : std::uint8_t { kOwnKnowledge, kLog, kRing };

double microseconds(std::chrono::steady_clock::time_point since) {
  return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - since).count();
}

// Some turns are interrupted by the host's other work.
double median(std::vector<double>& values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  return *middle;
}

void restore(benchmark::State& state, By by) {
  const bool by_log = by != By::kOwnKnowledge;
  auto guest =
      WritingGuest::create_on(create_kvm_machine({.memory_bytes = WritingGuest::kBytes},
                                                 by == By::kRing ? kvm::DirtyPages::kRing : kvm::DirtyPages::kLog),
                              state.range(0), by_log);
  if (!guest) return state.SkipWithError(guest.error().message.c_str());
  const auto system = kvm::System::open();
  const Snapshot snapshot((*guest)->machine().frames());
  const std::vector<Gfn> known = (*guest)->frames();
  const mmu::PhysMemory& memory = (*guest)->machine().frames().memory();
  std::vector<std::byte> copies(known.size() * kPageSize);
  std::vector<Gfn> dirty;
  std::vector<double> restoring, copying, asking, writing;
  std::uint64_t restored = 0;
  for (auto _ : state) {
    auto start = std::chrono::steady_clock::now();
    if (auto wrote = (*guest)->write_pages(); !wrote) return state.SkipWithError(wrote.error().message.c_str());
    writing.push_back(microseconds(start));

    start = std::chrono::steady_clock::now();
    dirty.clear();
    if (by_log) {
      if (auto taken = (*guest)->machine().take_dirty(dirty); !taken)
        return state.SkipWithError(taken.error().message.c_str());
    }
    restored += snapshot.restore(by_log ? std::span<const Gfn>(dirty) : known);
    const double took = microseconds(start);
    restoring.push_back(took);
    state.SetIterationTime(took * 1e-6);

    if (auto wrote = (*guest)->write_pages(); !wrote) return state.SkipWithError(wrote.error().message.c_str());
    start = std::chrono::steady_clock::now();
    for (std::size_t i = 0; i < known.size(); ++i)
      std::memcpy(memory.page(known[i]).data(), copies.data() + i * kPageSize, kPageSize);
    copying.push_back(microseconds(start));
    if (by_log) {
      dirty.clear();
      static_cast<void>((*guest)->machine().take_dirty(dirty));
    }
    start = std::chrono::steady_clock::now();
    benchmark::DoNotOptimize(system->api_version());
    asking.push_back(microseconds(start));
    snapshot.restore(known);
  }
  const auto n = static_cast<double>(state.iterations());
  state.SetLabel(std::string((*guest)->machine().backend()));
  state.counters["restored"] = static_cast<double>(restored) / n;
  state.counters["restore us"] = median(restoring);
  state.counters["memcpy us"] = median(copying);
  state.counters["ioctl us"] = median(asking);
  state.counters["ratio"] = median(restoring) / (median(copying) + median(asking));
  state.counters["guest writes us"] = median(writing);
}

void restore_by_own_knowledge(benchmark::State& state) { restore(state, By::kOwnKnowledge); }
void restore_by_dirty_log(benchmark::State& state) { restore(state, By::kLog); }
void restore_by_dirty_ring(benchmark::State& state) { restore(state, By::kRing); }

BENCHMARK(restore_by_own_knowledge)->Arg(1)->Arg(10)->Arg(100)->Arg(kMostPages)->UseManualTime()->Iterations(200);
BENCHMARK(restore_by_dirty_log)->Arg(1)->Arg(10)->Arg(100)->Arg(kMostPages)->UseManualTime()->Iterations(200);
BENCHMARK(restore_by_dirty_ring)->Arg(1)->Arg(10)->Arg(100)->Arg(kMostPages)->UseManualTime()->Iterations(200);

}  // namespace
}  // namespace faultline::vmm::fuzz
