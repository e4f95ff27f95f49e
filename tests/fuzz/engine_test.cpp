// The engine and the processor over a vCPU: accesses made in an address space of mmu, on every backend.
#include <sys/mman.h>

#include <algorithm>

#include "mmu/fault/fault.hpp"
#include "mmu/space/fork.hpp"
#include "mmu/space/operations.hpp"
#include "mmu/space/uaccess.hpp"
#include "tests/fuzz/backend_fixture.hpp"
#include "vmm/fuzz/guest/vcpu_processor.hpp"
#include "vmm/fuzz/layout.hpp"
#include "vmm/run/backend.hpp"

namespace faultline::vmm::fuzz {
namespace {

// Answers faults as the fault path does, and writes down what it hears.
class Listener final : public AccessSink {
 public:
  explicit Listener(mmu::AddressSpace& mm) : mm_(mm) {}
  AfterFault page_fault(std::size_t index, Gva address, mmu::ErrorCode error) override {
    said.push_back("fault " + std::to_string(index) + " " + hex(address.raw()) + " " + hex(error.raw()));
    if (mmu::handle_page_fault(mm_, {.address = address, .error = error, .ip = {}}).resolved())
      return AfterFault::kAgain;
    said.back() += " signal";
    return stop_at_signal ? AfterFault::kStop : AfterFault::kNext;
  }
  AfterFault exception(std::size_t index, unsigned vector, std::uint32_t error) override {
    said.push_back("vector " + std::to_string(vector) + " " + std::to_string(index) + " " + hex(error));
    return AfterFault::kNext;
  }
  void made(std::size_t index, std::span<const std::uint8_t> loaded) override {
    std::string text = "made " + std::to_string(index);
    if (!loaded.empty()) text += " ";
    for (const std::uint8_t byte : loaded) text += hex(byte);
    said.push_back(text);
  }
  void undefined(std::size_t index) override { said.push_back("undefined " + std::to_string(index)); }

  std::vector<std::string> said;
  bool stop_at_signal = false;

 private:
  static std::string hex(std::uint64_t value) {
    char text[20];
    std::snprintf(text, sizeof text, "%llx", static_cast<unsigned long long>(value));
    return text;
  }
  mmu::AddressSpace& mm_;
};

using Said = std::vector<std::string>;

Operation read_of(unsigned width, Address at) { return {Op::kRead, {width, pack(at)}}; }
Operation write_of(unsigned width, Address at, unsigned value) { return {Op::kWrite, {width, pack(at), value}}; }
Operation modify_of(unsigned width, Address at) { return {Op::kModify, {width, pack(at)}}; }
Operation exchange_of(unsigned width, Address at, unsigned value) { return {Op::kLocked, {width, pack(at), value}}; }
Operation copy_of(unsigned count, Address from, Address to) { return {Op::kCopy, {count, pack(from), pack(to)}}; }
Operation fill_of(unsigned count, Address at, unsigned value) { return {Op::kFill, {count, pack(at), value}}; }
Operation fetch_of(Address at) { return {Op::kFetch, {pack(at)}}; }

constexpr std::uint8_t kPlace = 2, kTop = 3, kNoncanonical = 6, kKernel = 7, kVsyscall = 8;
constexpr Address at(std::int32_t offset) { return {kPlace, offset}; }
constexpr std::int32_t kPage = kPageSize;

class EngineTest : public BackendTest {
 protected:
  void SetUp() override {
    BackendTest::SetUp();
    if (over()) return;
    auto machine = create_machine({.memory_bytes = 64ULL << 20, .backend = backend()});
    ASSERT_TRUE(machine) << machine.error().message;
    machine_ = std::move(*machine);
    take(machine_->create_vcpu(), vcpu_);
    if (over()) return;
    auto engine = Engine::create(machine_->frames());
    ASSERT_TRUE(engine) << engine.error().message;
    engine_.emplace(std::move(*engine));
    sink_.emplace(machine_->sink());
    runner_.emplace(*sink_, *vcpu_);
    processor_.emplace(*sink_, *runner_, *engine_);
    cache_.emplace(machine_->frames());
    const auto zero = machine_->frames().allocate(mmu::FrameKind::kZero, mmu::Zeroing::kNeeded);
    mm_ = mmu::AddressSpace::create({.frames = machine_->frames(),
                                     .cache = *cache_,
                                     .sink = *sink_,
                                     .zero_frame = *zero,
                                     .kernel_half = machine_->kernel_half(),
                                     .user_half = machine_->user_half()});
    ASSERT_TRUE(processor_->adopt(*mm_));
  }

  void map(Address where, std::uint64_t pages, int prot) {
    const auto mapped = mmu::do_mmap(*mm_, {.address = address_of(where).raw(),
                                            .length = pages * kPageSize,
                                            .prot = prot,
                                            .flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED});
    ASSERT_TRUE(mapped);
  }
  Said run(std::span<const Operation> accesses, bool stop_at_signal = false) {
    return run_in(*mm_, accesses, stop_at_signal);
  }
  Said run(std::initializer_list<Operation> accesses) { return run_in(*mm_, std::vector(accesses)); }
  Said run_in(mmu::AddressSpace& mm, std::span<const Operation> accesses, bool stop_at_signal = false) {
    Listener listener(mm);
    listener.stop_at_signal = stop_at_signal;
    const auto ran = processor_->run(mm, accesses, listener);
    if (!ran) ADD_FAILURE() << ran.error().message;
    return listener.said;
  }

  std::unique_ptr<Machine> machine_;
  std::unique_ptr<Vcpu> vcpu_;
  std::optional<LazySink> sink_;
  std::optional<Engine> engine_;
  std::optional<ListRunner> runner_;
  std::optional<VcpuProcessor> processor_;
  std::optional<mmu::PageCache> cache_;
  std::shared_ptr<mmu::AddressSpace> mm_;
};

TEST_P(EngineTest, EveryWidthLoadsAndStores) {
  map(at(0), 1, PROT_READ | PROT_WRITE);
  const Said said = run({write_of(16, at(0), 0), write_of(1, at(0), 1), write_of(2, at(2), 2), write_of(4, at(4), 3),
                         write_of(8, at(8), 2), read_of(16, at(0)), read_of(1, at(0)), read_of(2, at(1)),
                         read_of(4, at(4)), read_of(8, at(4))});
  EXPECT_EQ(said, (Said{"fault 0 210080200000 6", "made 0", "made 1", "made 2", "made 3", "made 4",
                        "made 5 f8f5f9f9fcfcfcfcf9f9f9f9f9f9f9f9", "made 6 f8", "made 7 f5f9", "made 8 fcfcfcfc",
                        "made 9 fcfcfcfcf9f9f9f9"}));
}

TEST_P(EngineTest, ModifyRotatesAndExchangeLoadsWhatWasThere) {
  map(at(0), 1, PROT_READ | PROT_WRITE);
  const Said said = run({write_of(1, at(0), 0), modify_of(2, at(0)), modify_of(4, at(0)), modify_of(8, at(0)),
                         modify_of(1, at(3)), read_of(8, at(0)), exchange_of(8, at(0), 1), exchange_of(4, at(0), 2),
                         exchange_of(2, at(0), 3), exchange_of(1, at(0), 0), read_of(8, at(0))});
  EXPECT_EQ(said,
            (Said{"fault 0 210080200000 6", "made 0", "made 1", "made 2", "made 3", "made 4", "made 5 000f50000",
                  "made 6 000f50000", "made 7 f8f8f8f8", "made 8 f9f9", "made 9 fc", "made 10 f5fcf9f9f8f8f8f8"}));
}

TEST_P(EngineTest, AnAccessThatFaultsIsLeftOutAfterASignal) {
  map(at(0), 1, PROT_READ);
  const Said said = run({write_of(4, at(8), 0), read_of(4, at(8)), read_of(8, at(2 * kPage)), modify_of(8, at(8)),
                         exchange_of(2, at(8), 1)});
  EXPECT_EQ(said,
            (Said{"fault 0 210080200008 6 signal", "fault 1 210080200008 4", "made 1 0000",
                  "fault 2 210080202000 4 signal", "fault 3 210080200008 7 signal", "fault 4 210080200008 7 signal"}));
}

TEST_P(EngineTest, AStraddlingStoreStoresAllOrNothing) {
  map(at(0), 1, PROT_READ | PROT_WRITE);
  const Said said = run({write_of(8, at(kPage - 8), 0), write_of(8, at(kPage - 3), 1), read_of(8, at(kPage - 8))});
  EXPECT_EQ(said,
            (Said{"fault 0 210080200ff8 6", "made 0", "fault 1 210080201000 6 signal", "made 2 f5f5f5f5f5f5f5f5"}));
}

TEST_P(EngineTest, StringsStopWhereTheyFault) {
  map(at(0), 1, PROT_READ | PROT_WRITE);
  map(at(kPage), 1, PROT_READ);
  const Said said = run({fill_of(64, at(kPage - 16), 2), fill_of(3, at(0), 1), copy_of(5, at(0), at(100)),
                         read_of(8, at(100)), read_of(1, at(kPage - 1)), read_of(1, at(kPage - 17))});
  EXPECT_EQ(said, (Said{"fault 0 210080200ff0 6", "fault 0 210080201000 6 signal", "made 1", "made 2",
                        "made 3 f8f8f800000", "made 4 f9", "made 5 0"}));
}

TEST_P(EngineTest, AFetchExecutesOneInstruction) {
  map(at(0), 3, PROT_READ | PROT_WRITE | PROT_EXEC);
  const Said said =
      run({write_of(1, at(kPage - 1), 1), fetch_of(at(kPage - 1)), fetch_of(at(0)), fetch_of(at(2 * kPage - 1)),
           read_of(1, at(0)), fetch_of(at(kPage - 2)), fetch_of(at(kPage - 1))});
  EXPECT_EQ(said, (Said{"fault 0 210080200fff 6", "made 0", "made 1", "vector 13 2 0", "fault 3 210080201fff 14",
                        "fault 3 210080202000 14", "vector 13 3 0", "made 4 0", "made 5", "made 6"}));
}

TEST_P(EngineTest, AFetchFromDataOrFromNowhereFaults) {
  map(at(0), 1, PROT_READ | PROT_WRITE);
  const Said said = run({write_of(1, at(0), 0), fetch_of(at(0)), fetch_of(at(kPage)), fetch_of({kNoncanonical, 0}),
                         fetch_of({kTop, 0}), fetch_of({kVsyscall, 0}), read_of(1, at(0))});
  EXPECT_EQ(said, (Said{"fault 0 210080200000 6", "made 0", "fault 1 210080200000 15 signal",
                        "fault 2 210080201000 14 signal", "vector 13 3 0", "fault 4 7ffffffff000 14 signal",
                        "fault 5 ffffffffff600000 14 signal", "made 6 f5"}));
}

TEST_P(EngineTest, TheKernelHalfIsEmpty) {
  const Said said =
      run({read_of(1, {kKernel, 0}), write_of(8, {kKernel, 2 * kPage}, 0), fetch_of({kKernel, 2 * kPage + 0x400}),
           read_of(8, {kNoncanonical, 16}), write_of(1, {kNoncanonical, 0}, 0), modify_of(4, {kKernel, 8 * kPage})});
  EXPECT_EQ(said, (Said{"fault 0 ffff800000000000 4 signal", "fault 1 ffff800000002000 6 signal",
                        "fault 2 ffff800000002400 14 signal", "vector 13 3 0", "vector 13 4 0",
                        "fault 5 ffff800000008000 6 signal"}));
}

TEST_P(EngineTest, ManyAccessesTakeSeveralLists) {
  map(at(0), 1, PROT_READ | PROT_WRITE);
  std::vector<Operation> accesses(2 * Engine::kMaxRecords + 1, write_of(4, at(16), 0));
  accesses.back() = read_of(4, at(16));
  processor_->take_cost();
  const Said said = run(accesses);
  ASSERT_EQ(said.size(), accesses.size() + 1);
  EXPECT_EQ(said.back(), "made 126 f5f5f5f5");
  const GuestCost cost = processor_->take_cost();
  EXPECT_EQ(cost.entries, 4U) << "three lists, one fault";
  EXPECT_EQ(cost.faults, 1U);
  EXPECT_EQ(cost.list_ends, 3U);
  EXPECT_GT(cost.inside_ns, 0U);
  EXPECT_EQ(processor_->take_cost().entries, 0U);
}

TEST_P(EngineTest, NothingIsMadeWhenTheProcessIsGone) {
  const std::vector<Operation> accesses{read_of(1, at(0)), read_of(1, at(1))};
  EXPECT_EQ(run(accesses, true), (Said{"fault 0 210080200000 4 signal"}));
}

TEST_P(EngineTest, AChildHasTheEngineWithoutAFaultOfItsOwn) {
  map(at(0), 1, PROT_READ | PROT_WRITE);
  run({write_of(1, at(0), 0)});
  const auto child = mmu::fork_address_space(*mm_);
  ASSERT_TRUE(child);
  ASSERT_TRUE(processor_->adopt(**child));
  EXPECT_EQ((*child)->counters.minor, 0U);
  EXPECT_EQ(run_in(**child, std::vector{write_of(1, at(0), 1), read_of(1, at(0))}),
            (Said{"fault 0 210080200000 7", "made 0", "made 1 f8"}));
  EXPECT_EQ((*child)->counters.minor, 1U);
  EXPECT_EQ(run({read_of(1, at(0))}), (Said{"made 0 f5"}));
}

TEST_P(EngineTest, ItsOwnFaultsAreNobodys) {
  map(at(0), 1, PROT_READ | PROT_WRITE);
  ASSERT_TRUE(mmu::do_madvise(*mm_, Engine::kCode.raw(), Engine::kEnd - Engine::kCode, MADV_DONTNEED));
  const mmu::FaultCounters before = mm_->counters;
  EXPECT_EQ(run({read_of(1, at(0))}), (Said{"fault 0 210080200000 4", "made 0 0"}));
  EXPECT_EQ(mm_->counters.minor, before.minor + 1);
}

TEST_P(EngineTest, AllocationsThatAreToFailAreNotTheEngines) {
  machine_->frames().fail_nth(2);
  const auto child = mmu::fork_address_space(*mm_);
  ASSERT_TRUE(child);
  ASSERT_TRUE(processor_->adopt(**child));
  EXPECT_EQ(machine_->frames().failing_nth(), 1U);
}

TEST_P(EngineTest, InvalidationMakesAnEditTrue) {
  map(at(0), 1, PROT_READ | PROT_WRITE);
  run({write_of(1, at(0), 0)});
  auto* const entry =
      reinterpret_cast<std::uint64_t*>(mm_->frames().memory().at(mm_->tables().find(address_of(at(0))).address()));
  *entry &= ~mmu::Pte::kWrite;
  processor_->invalidate(*mm_, address_of(at(0)));
  EXPECT_EQ(run({write_of(1, at(0), 0)}).front(), "fault 0 210080200000 7");
  const std::uint64_t before = *entry;
  *entry &= ~mmu::Pte::kPresent;
  processor_->invalidate(*mm_, address_of(at(0)));
  EXPECT_EQ(run(std::vector{read_of(1, at(0))}, true).front().substr(0, 22), "fault 0 210080200000 4");
  *entry = before;
}

TEST_P(EngineTest, ControlBitsComeBack) {
  map(at(0), 1, PROT_READ | PROT_WRITE);
  const bool flipped = processor_->flip_control(Control::kWp);
  EXPECT_EQ(flipped, std::string_view(GetParam()) == "kvm");
  EXPECT_EQ(run({read_of(1, at(0)), write_of(1, at(0), 0)}),
            (Said{"fault 0 210080200000 4", "made 0 0", "fault 1 210080200000 7", "made 1"}));
  EXPECT_TRUE(processor_->reset_controls());
}

INSTANTIATE_TEST_SUITE_P(Backend, EngineTest, every_backend(), backend_name);

}  // namespace
}  // namespace faultline::vmm::fuzz
