// Every memory operation in mmu/ alone, no vCPU, and the same operation of the kernel underneath:
// both in this process, in turns, in CPU time of this thread. The counter `ratio` is the median of
// the turns' ratios; the goal is below 1 everywhere.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <csetjmp>
#include <csignal>

#include "tests/bench/operation_sides.hpp"

namespace faultline::bench {
namespace {

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

// `ours` and `native` do the operation once, untimed preparation included, and give nanoseconds
// for one unit of it.
template <class Ours, class Native>
void compare(benchmark::State& state, Ours ours, Native native) {
  std::vector<double> mmu, linux_ns, ratio;
  static_cast<void>(ours());  // what the first turn alone pays for
  static_cast<void>(native());
  for (auto _ : state) {
    mmu.push_back(ours());
    linux_ns.push_back(native());
    ratio.push_back(mmu.back() / linux_ns.back());
    state.SetIterationTime((mmu.back() + linux_ns.back()) / 1e9);
  }
  state.counters["mmu_ns"] = median(mmu);
  state.counters["native_ns"] = median(linux_ns);
  state.counters["ratio"] = median(ratio);
}

constexpr std::uint64_t kPages = 4096, kMany = 16384;  // 16 MiB, 64 MiB
constexpr int kRw = PROT_READ | PROT_WRITE, kAnon = MAP_PRIVATE | MAP_ANONYMOUS;

template <class Side>
double touch(Side& side, std::uint64_t pages, std::uint64_t step, bool write) {
  const Stopwatch watch;
  for (std::uint64_t p = 0; p < pages; p += step) side.touch(p, write);
  return watch.ns() / (static_cast<double>(pages) / static_cast<double>(step));
}

// Each operation, written once for both sides.
template <class Side>
double anonymous_write(Side& side) {
  side.map(kPages, kRw, kAnon);
  const double ns = touch(side, kPages, 1, true);
  side.unmap(kPages);
  return ns;
}
template <class Side>
double zero_page_read(Side& side) {
  side.map(kPages, kRw, kAnon);
  const double ns = touch(side, kPages, 1, false);
  side.unmap(kPages);
  return ns;
}
template <class Side>
double write_after_read(Side& side) {
  side.map(kPages, kRw, kAnon);
  touch(side, kPages, 1, false);
  const double ns = touch(side, kPages, 1, true);
  side.unmap(kPages);
  return ns;
}
template <class Side>
double populate(Side& side) {
  const Stopwatch watch;
  side.map(kPages, kRw, kAnon | MAP_POPULATE);
  const double ns = watch.ns() / kPages;
  side.unmap(kPages);
  return ns;
}
template <class Side>
double read_around(Side& side) {
  side.map_file(FileOf::kMemory, kPages, MAP_SHARED);
  const double ns = touch(side, kPages, 16, false);
  side.unmap(kPages);
  return ns;
}
template <class Side>
double shared_write_memory(Side& side) {
  side.map_file(FileOf::kMemory, kPages, MAP_SHARED);
  const double ns = touch(side, kPages, 1, true);
  side.unmap(kPages);
  return ns;
}
template <class Side>
double shared_write_regular(Side& side) {
  side.map_file(FileOf::kDisk, kPages, MAP_SHARED);
  const double ns = touch(side, kPages, 1, true);
  side.unmap(kPages);
  side.clean(FileOf::kDisk);
  return ns;
}
template <class Side>
double private_file_write(Side& side) {
  side.map_file(FileOf::kMemory, kPages, MAP_PRIVATE);
  const double ns = touch(side, kPages, 1, true);
  side.unmap(kPages);
  return ns;
}
template <class Side>
double cow_copy(Side& side) {
  side.map(kPages, kRw, kAnon | MAP_POPULATE);
  side.fork();
  const double ns = touch(side, kPages, 1, true);
  side.end_child();
  side.unmap(kPages);
  return ns;
}
template <class Side>
double cow_reuse(Side& side) {
  side.map(kPages, kRw, kAnon | MAP_POPULATE);
  side.fork();
  side.end_child();
  const double ns = touch(side, kPages, 1, true);
  side.unmap(kPages);
  return ns;
}
template <class Side>
double mprotect_page(Side& side) {
  constexpr int kRounds = 2000;
  side.map(64, kRw, kAnon | MAP_POPULATE);
  const Stopwatch watch;
  for (int i = 0; i < kRounds; ++i) {
    side.protect(32, 1, PROT_READ);
    side.protect(32, 1, kRw);
  }
  const double ns = watch.ns() / (2 * kRounds);
  side.unmap(64);
  return ns;
}
template <class Side>
double mprotect_many(Side& side) {
  side.map(kMany, kRw, kAnon | MAP_POPULATE);
  const Stopwatch watch;
  side.protect(0, kMany, PROT_READ);
  side.protect(0, kMany, kRw);
  const double ns = watch.ns() / (2.0 * kMany);
  side.unmap(kMany);
  return ns;
}
template <class Side>
double munmap_bulk(Side& side) {
  side.map(kMany, kRw, kAnon | MAP_POPULATE);
  const Stopwatch watch;
  side.unmap(kMany);
  return watch.ns() / kMany;
}
template <class Side>
double munmap_pages(Side& side) {
  side.map(kPages, kRw, kAnon | MAP_POPULATE);
  const Stopwatch watch;
  for (std::uint64_t p = 0; p < kPages; ++p) side.unmap_at(p, 1);
  return watch.ns() / kPages;
}
template <class Side>
double dontneed(Side& side) {
  side.map(kMany, kRw, kAnon | MAP_POPULATE);
  const Stopwatch watch;
  side.advise(0, kMany, MADV_DONTNEED);
  const double ns = watch.ns() / kMany;
  side.unmap(kMany);
  return ns;
}
// The whole of it, 256 MiB.
template <class Side>
double fork_256m(Side& side) {
  constexpr std::uint64_t kAll = 65536;
  side.map(kAll, kRw, kAnon | MAP_POPULATE);
  const Stopwatch watch;
  side.fork();
  const double ns = watch.ns();
  side.end_child();
  side.unmap(kAll);
  return ns;
}

#define FAULTLINE_COMPARE(name, mebibytes)                                \
  void BM_Operation_##name(benchmark::State& state) {                     \
    MmuSide ours(std::uint64_t{mebibytes} << 20);                         \
    NativeSide native;                                                    \
    compare(                                                              \
        state, [&] { return name(ours); }, [&] { return name(native); }); \
  }                                                                       \
  BENCHMARK(BM_Operation_##name)->UseManualTime()->Iterations(9)->Unit(benchmark::kMicrosecond)

FAULTLINE_COMPARE(anonymous_write, 64);
FAULTLINE_COMPARE(zero_page_read, 64);
FAULTLINE_COMPARE(write_after_read, 64);
FAULTLINE_COMPARE(populate, 64);
FAULTLINE_COMPARE(read_around, 64);
FAULTLINE_COMPARE(shared_write_memory, 64);
FAULTLINE_COMPARE(shared_write_regular, 64);
FAULTLINE_COMPARE(private_file_write, 64);
FAULTLINE_COMPARE(cow_copy, 64);
FAULTLINE_COMPARE(cow_reuse, 64);
FAULTLINE_COMPARE(mprotect_page, 64);
FAULTLINE_COMPARE(mprotect_many, 96);
FAULTLINE_COMPARE(munmap_bulk, 96);
FAULTLINE_COMPARE(munmap_pages, 64);
FAULTLINE_COMPARE(dontneed, 96);
FAULTLINE_COMPARE(fork_256m, 288);

// Only the kernel underneath does this one: a fault, a handler, a jump out of it.
sigjmp_buf out_of_handler;
void leave_handler(int) { siglongjmp(out_of_handler, 1); }

void BM_Operation_sigsegv_native(benchmark::State& state) {
  struct sigaction before {
  }, action{};
  action.sa_handler = leave_handler;
  ::sigaction(SIGSEGV, &action, &before);
  auto* none = static_cast<volatile char*>(::mmap(nullptr, kPageSize, PROT_NONE, kAnon, -1, 0));
  for (auto _ : state) {
    if (sigsetjmp(out_of_handler, 1) == 0) *none = 1;
  }
  ::munmap(const_cast<char*>(none), kPageSize);
  ::sigaction(SIGSEGV, &before, nullptr);
}
BENCHMARK(BM_Operation_sigsegv_native);

}  // namespace
}  // namespace faultline::bench
