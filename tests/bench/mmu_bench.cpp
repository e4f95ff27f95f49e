// mmu/ alone, no KVM: what a fault and a walk cost in the host.
#include <benchmark/benchmark.h>
#include <sys/mman.h>

#include <cstring>

#include "mmu/fault/fault.hpp"
#include "mmu/pgtable/gather.hpp"
#include "mmu/space/zap.hpp"

namespace faultline::mmu {
namespace {

class NoSink final : public TlbSink {
 public:
  TlbAction flush(const TlbBatch&) override { return TlbAction::kNone; }
  [[nodiscard]] bool tables_reusable_after_flush() const override { return true; }
  TlbAction drop_all() override { return TlbAction::kNone; }
};

// 64 MiB of guest memory, touched beforehand, so that the host's own faults are not measured.
struct Space {
  static constexpr std::size_t kBytes = 64ULL << 20;
  static constexpr std::uint64_t kPages = 8192;
  static constexpr Gva kStart{0x7f00'0000'0000};

  Space()
      : base(::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0)),
        frames(PhysMemory({static_cast<std::byte*>(base), kBytes}), Gfn(16)),
        cache(frames),
        zero(frames.allocate(FrameKind::kZero, Zeroing::kNeeded).value()),
        mm(AddressSpace::create({frames, cache, sink, zero, Gfn(0), PagingMode::kFourLevel})) {
    mm->vmas.insert({.start = kStart,
                     .end = kStart + kPages * kPageSize,
                     .flags = VmFlags(VmFlags::kRead | VmFlags::kWrite | VmFlags::kMayRead | VmFlags::kMayWrite),
                     .pgoff = Pgoff(kStart.page().raw()),
                     .file = nullptr,
                     .name = {}});
  }
  ~Space() {
    mm.reset();
    ::munmap(base, kBytes);
  }
  void zap() {
    TlbGather gather(mm->tables());
    const Vma& vma = *mm->vmas.lookup(kStart);
    zap_range(*mm, vma, vma.start, vma.end, gather);
    gather.flush();
  }
  void fault(std::uint64_t page, std::uint32_t error) {
    const FaultOutcome o =
        handle_page_fault(*mm, {.address = kStart + page * kPageSize, .error = ErrorCode(error), .ip = Gva(0)});
    FL_CHECK(o.resolved());
  }

  void* base;
  NoSink sink;
  FrameAllocator frames;
  PageCache cache;
  Gfn zero;
  std::unique_ptr<AddressSpace> mm;
};

// Zeroing the same pages, as the unit of measure.
void BM_ZeroPage(benchmark::State& state) {
  Space space;
  std::uint64_t page = 0;
  for (auto _ : state) {
    std::memset(space.frames.memory().page(Gfn(4096 + page)).data(), 0, kPageSize);
    page = (page + 1) % Space::kPages;
    benchmark::ClobberMemory();
  }
}
BENCHMARK(BM_ZeroPage);

void run_faults(benchmark::State& state, std::uint32_t error) {
  Space space;
  // Everything was used once: each frame must be zeroed again.
  for (std::uint64_t p = 0; p < Space::kPages; ++p) space.fault(p, 6);
  space.zap();
  std::uint64_t page = 0;
  for (auto _ : state) {
    space.fault(page, error);
    if (++page == Space::kPages) {
      state.PauseTiming();
      space.zap();
      page = 0;
      state.ResumeTiming();
    }
  }
}

// Goal: at most twice the zeroing plus 200 ns.
void BM_AnonymousWriteFault(benchmark::State& state) { run_faults(state, 6); }
BENCHMARK(BM_AnonymousWriteFault);

void BM_ZeroPageReadFault(benchmark::State& state) { run_faults(state, 4); }
BENCHMARK(BM_ZeroPageReadFault);

// Goal: under 30 ns for a mapped address at four levels.
void BM_WalkMapped(benchmark::State& state) {
  Space space;
  for (std::uint64_t p = 0; p < 64; ++p) space.fault(p, 6);
  std::uint64_t page = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(space.mm->tables().walk(Space::kStart + (page++ % 64) * kPageSize));
  }
}
BENCHMARK(BM_WalkMapped);

void BM_FindLeaf(benchmark::State& state) {
  Space space;
  for (std::uint64_t p = 0; p < 64; ++p) space.fault(p, 6);
  std::uint64_t page = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(find_leaf(space.frames.memory(), space.mm->tables().root(), PagingMode::kFourLevel,
                                       Space::kStart + (page++ % 64) * kPageSize));
  }
}
BENCHMARK(BM_FindLeaf);

void BM_ZapPage(benchmark::State& state) {
  Space space;
  std::uint64_t page = 0;
  const Vma& vma = *space.mm->vmas.lookup(Space::kStart);
  for (auto _ : state) {
    state.PauseTiming();
    for (page = 0; page < Space::kPages; ++page) space.fault(page, 6);
    state.ResumeTiming();
    TlbGather gather(space.mm->tables());
    zap_range(*space.mm, vma, vma.start, vma.end, gather);
    gather.flush();
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(Space::kPages));
}
BENCHMARK(BM_ZapPage);

}  // namespace
}  // namespace faultline::mmu
