// A guest that writes to some pages, over and over: for the benchmarks of the fuzzer.
#pragma once

#include <sys/mman.h>

#include <optional>
#include <string>
#include <vector>

#include "mmu/backing/file_mapping.hpp"
#include "mmu/fault/fault.hpp"
#include "mmu/space/operations.hpp"
#include "vmm/fuzz/guest/vcpu_processor.hpp"
#include "vmm/fuzz/layout.hpp"
#include "vmm/run/backend.hpp"

namespace faultline::vmm::fuzz {

// Pages that the guest writes to, in a machine of their own: one entry for every 63, and no fault.
class WritingGuest final : public AccessSink {
 public:
  static constexpr std::uint64_t kBytes = 64ULL << 20;
  static Result<std::unique_ptr<WritingGuest>> create(const std::string& backend, std::int64_t pages, bool log_dirty) {
    return create_on(create_machine({.memory_bytes = kBytes, .backend = backend}), pages, log_dirty);
  }
  static Result<std::unique_ptr<WritingGuest>> create_on(Result<std::unique_ptr<Machine>> machine, std::int64_t pages,
                                                         bool log_dirty) {
    if (!machine) return tl::unexpected(machine.error());
    auto guest = std::unique_ptr<WritingGuest>(new WritingGuest(std::move(*machine)));
    if (auto ready = guest->set_up(pages); !ready) return tl::unexpected(ready.error());
    if (!log_dirty) return guest;
    if (auto on = guest->machine_->log_dirty(true); !on) return tl::unexpected(on.error());
    return guest;
  }
  Result<void> write_pages() { return processor_->run(*mm_, writes_, *this); }
  Machine& machine() { return *machine_; }
  // Of the pages that are written to.
  [[nodiscard]] std::vector<Gfn> frames() const {
    std::vector<Gfn> all;
    for (const Operation& write : writes_)
      all.push_back(mm_->tables().walk(address_of(unpack_address(write.operands[1]))).physical().page());
    return all;
  }

  AfterFault page_fault(std::size_t, Gva address, mmu::ErrorCode error) override {
    const bool resolved = mmu::handle_page_fault(*mm_, {.address = address, .error = error, .ip = {}}).resolved();
    return resolved ? AfterFault::kAgain : AfterFault::kStop;
  }
  AfterFault exception(std::size_t, unsigned, std::uint32_t) override { return AfterFault::kStop; }
  void made(std::size_t, std::span<const std::uint8_t>) override {}
  void undefined(std::size_t) override {}

 private:
  // 1024 pages that operations can name: around three places, before one, behind one.
  static Address nth_page(std::int32_t n) {
    constexpr std::int32_t kPage = kPageSize, kReach = kMaxOffset / kPage;
    constexpr std::uint8_t kTop = 3, kLow = 4;
    if (n < 6 * kReach) return {static_cast<std::uint8_t>(n / (2 * kReach)), (n % (2 * kReach) - kReach) * kPage};
    return n < 7 * kReach ? Address{kTop, (n - 7 * kReach) * kPage} : Address{kLow, (n - 7 * kReach) * kPage};
  }

  explicit WritingGuest(std::unique_ptr<Machine> machine) : machine_(std::move(machine)), cache_(machine_->frames()) {}
  Result<void> set_up(std::int64_t pages) {
    auto vcpu = machine_->create_vcpu();
    if (!vcpu) return tl::unexpected(vcpu.error());
    vcpu_ = std::move(*vcpu);
    auto engine = Engine::create(machine_->frames());
    if (!engine) return tl::unexpected(engine.error());
    engine_.emplace(std::move(*engine));
    sink_.emplace(machine_->sink());
    runner_.emplace(*sink_, *vcpu_);
    processor_.emplace(*sink_, *runner_, *engine_);
    const auto zero = machine_->frames().allocate(mmu::FrameKind::kZero, mmu::Zeroing::kNeeded);
    mm_ = mmu::AddressSpace::create({.frames = machine_->frames(),
                                     .cache = cache_,
                                     .sink = *sink_,
                                     .zero_frame = *zero,
                                     .kernel_half = machine_->kernel_half(),
                                     .user_half = machine_->user_half()});
    if (auto adopted = processor_->adopt(*mm_); !adopted) return adopted;
    for (std::int64_t i = 0; i < pages; ++i) {
      const Address at = nth_page(static_cast<std::int32_t>(i));
      writes_.push_back({Op::kWrite, {8, pack(at), 7}});
      const auto mapped = mmu::do_mmap(*mm_, {.address = address_of(at).raw(),
                                              .length = kPageSize,
                                              .prot = PROT_READ | PROT_WRITE,
                                              .flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED});
      if (!mapped) return fail("cannot map the pages");
    }
    return write_pages();
  }

  std::unique_ptr<Machine> machine_;
  std::unique_ptr<Vcpu> vcpu_;
  std::optional<LazySink> sink_;
  std::optional<Engine> engine_;
  std::optional<ListRunner> runner_;
  std::optional<VcpuProcessor> processor_;
  mmu::PageCache cache_;
  std::shared_ptr<mmu::AddressSpace> mm_;
  std::vector<Operation> writes_;
};

}  // namespace faultline::vmm::fuzz
