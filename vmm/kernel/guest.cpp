#include "vmm/kernel/guest.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "vmm/kernel/layout.hpp"
#include "vmm/run/watchdog.hpp"

namespace faultline::vmm::kernel {

namespace {

using mmu::Pte;

constexpr std::uint64_t kReadOnly = Pte::kPresent | Pte::kAccessed;
constexpr std::uint64_t kReadWrite = kReadOnly | Pte::kWrite | Pte::kDirty;

std::uint64_t flags_of(const Segment& segment) {
  return (segment.write ? kReadWrite : kReadOnly) | (segment.execute ? 0 : std::uint64_t{Pte::kNoExecute});
}

}  // namespace

// The program says in its task whether the mmap lock is held; whoever holds it lets it go in time.
class Guest::LockOfTheProgram final : public mmu::FaultHooks {
 public:
  explicit LockOfTheProgram(const Guest& guest) : guest_(guest) {}
  bool try_mmap_lock(mmu::AddressSpace&) override { return guest_.task_word(FL_TASK_MMAP_LOCKED) == 0; }

 private:
  const Guest& guest_;
};

Guest::Guest(GuestConfig config, std::unique_ptr<kvm::KvmMachine> machine)
    : config_(std::move(config)),
      machine_(std::move(machine)),
      cache_(machine_->frames()),
      guard_(machine_->frames(), machine_->mode()),
      vmalloc_next_(vmalloc_start(config_.machine.mode)) {}

Guest::~Guest() {
  vcpu_.reset();
  kmmio_.reset();
  kmemcheck_.reset();
  mm_.reset();
}

tl::expected<std::unique_ptr<Guest>, Guest::Refused> Guest::create(GuestConfig config,
                                                                   std::span<const std::byte> file) {
  const auto refuse = [](const Error& error, bool bad) { return tl::unexpected(Refused{error.message, bad}); };
  const auto image = parse_image(file, config.machine.memory_bytes);
  if (!image) return refuse(image.error(), true);
  auto machine = kvm::KvmMachine::create(config.machine);
  if (!machine) return refuse(machine.error(), false);
  std::unique_ptr<Guest> guest(new Guest(std::move(config), std::move(*machine)));
  if (auto symbols = SymbolTable::from_elf(file, 0)) guest->symbols_ = std::move(*symbols);
  if (auto done = guest->set_up(*image); !done) return refuse(done.error(), false);
  return guest;
}

Result<void> Guest::set_up(const Image& image) {
  const mmu::PagingMode mode = machine_->mode();
  mmu::FrameAllocator& frames = machine_->frames();
  const auto zero = frames.allocate(mmu::FrameKind::kZero, mmu::Zeroing::kNeeded);
  reference_ = mmu::KernelTables::create(frames, machine_->sink(), mode, machine_->kernel_half());
  if (!zero || reference_ == nullptr) return fail("guest memory is too small");
  if (auto done = map_image(image); !done) return done;
  for (Gva page = kStackBottom; page < kStackTop; page = page + kPageSize) {
    if (auto done = map_page(page, kReadWrite | Pte::kNoExecute); !done) return done;
  }
  if (auto done = reference_->map(kDevice, kDevicePhysical.page(), kReadWrite | Pte::kNoExecute | Pte::kPcd); !done)
    return done;
  exceptions_ = image.exceptions;

  half_ = std::make_unique<mmu::KernelHalf>(*reference_, config_.share_level != 0 ? config_.share_level : levels(mode));
  half_->add_area({vmalloc_start(mode), vmalloc_start(mode) + kVmallocBytes});
  half_->hooks = &hooks_;
  lock_ = std::make_unique<LockOfTheProgram>(*this);
  mm_ = mmu::AddressSpace::create({.frames = frames,
                                   .cache = cache_,
                                   .sink = machine_->sink(),
                                   .zero_frame = *zero,
                                   .kernel_half = reference_->root(),
                                   .mode = mode,
                                   .behaviour = config_.behaviour});
  if (mm_ == nullptr) return fail("guest memory is too small");
  mm_->kernel = half_.get();
  mm_->fault_hooks = lock_.get();
  auto decoder = decode::Decoder::create({.cross_check = decode::CrossCheck::kOff});
  if (!decoder) return tl::unexpected(decoder.error());
  decoder_ = std::make_unique<decode::Decoder>(std::move(*decoder));
  connect_hooks();
  auto vcpu = KernelVcpu::create(*machine_, Gpa(mm_->tables().root()), image.entry, kStackTop);
  if (!vcpu) return tl::unexpected(vcpu.error());
  vcpu_ = std::move(*vcpu);
  return {};
}

Result<void> Guest::map_image(const Image& image) {
  for (const Segment& segment : image.segments) {
    for (std::uint64_t i = 0; i < segment.pages; ++i) {
      const std::uint64_t skip = i == 0 ? segment.offset : 0;
      const std::uint64_t from =
          std::min<std::uint64_t>(i == 0 ? 0 : i * kPageSize - segment.offset, segment.bytes.size());
      const std::uint64_t bytes = std::min<std::uint64_t>(segment.bytes.size() - from, kPageSize - skip);
      if (auto done =
              map_page(segment.start + i * kPageSize, flags_of(segment), segment.bytes.subspan(from, bytes), skip);
          !done)
        return done;
    }
  }
  return {};
}

Result<void> Guest::map_page(Gva va, std::uint64_t flags, std::span<const std::byte> bytes, std::uint64_t offset) {
  const auto frame = machine_->frames().allocate(mmu::FrameKind::kReserved, mmu::Zeroing::kNeeded);
  if (!frame) return fail("guest memory is too small for the program");
  std::ranges::copy(bytes, machine_->ram().at(Gpa(*frame) + offset));
  return reference_->map(va, *frame, flags);
}

void Guest::connect_hooks() {
  kmmio_ = std::make_unique<mmu::Kmmio>(hooks_, *reference_, [this](const mmu::MmioAccess& a) {
    ++counts_[FL_COUNT_TRACED];
    log(fmt::format("mmio: {} {} {} {:#x} {:#x} by {}", a.number, a.write ? "W" : "R", a.bytes, a.physical.raw(),
                    a.value, symbols_.describe(a.ip)));
  });
  kmemcheck_ = std::make_unique<mmu::Kmemcheck>(
      hooks_, *reference_, [this](const mmu::FaultRequest& r) { return describe(r); },
      [this](const mmu::UninitialisedRead& r) {
        ++counts_[FL_COUNT_UNINITIALISED];
        log(fmt::format("kmemcheck: read of {} bytes at {:#x}, never written: {:#x}, by {}", r.bytes, r.address.raw(),
                        r.unwritten, symbols_.describe(r.ip)));
      });
  probes_ = std::make_unique<mmu::Probes>(hooks_);
  context_ = std::make_unique<mmu::ContextTracking>(hooks_);
  events_ = std::make_unique<mmu::FaultEvents>(hooks_);
}

void Guest::stop(int signal) {
  stop_signal_.store(signal, std::memory_order_seq_cst);
  vcpu_->kick();
}

Result<End> Guest::run(const RunLimits& limits) {
  storm_ = limits.storm;
  const Watchdog watchdog([this] { vcpu_->kick(); }, limits.time);
  for (std::uint64_t exits = 1;; ++exits) {
    const auto exit = enter();
    if (!exit) return tl::unexpected(exit.error());
    if (std::holds_alternative<KickedExit>(*exit)) {
      if (const int signal = stop_signal_.load(std::memory_order_seq_cst); signal != 0) return End{Stopped{signal}};
      return End{Limited{LimitKind::kTime, place()}};
    }
    auto end = serve(*exit);
    if (!end) return tl::unexpected(end.error());
    if (*end) return std::move(**end);
    if (limits.exits != 0 && exits >= limits.exits) return End{Limited{LimitKind::kExits, place()}};
  }
}

void Guest::hand_over() {
  const std::array roots = {mm_->tables().root(), reference_->root()};
  guard_.hand_over(roots);
}

std::optional<KernelExit> Guest::take_back() {
  const auto changed = guard_.take_back();
  if (!changed) return std::nullopt;
  return DeadExit{
      fmt::format("the program changed a page table of the host's, at guest-physical address {:#x}, before {}",
                  changed->raw(), place())};
}

Result<KernelExit> Guest::enter() {
  hand_over();
  auto exit = vcpu_->run();
  auto dead = take_back();
  if (exit && dead) return std::move(*dead);
  return exit;
}

// An instruction that has several accesses makes some of them here.
Result<std::optional<KernelExit>> Guest::settle() {
  hand_over();
  auto exit = vcpu_->settle();
  auto dead = take_back();
  if (exit && dead) return dead;
  return exit;
}

Guest::Outcome Guest::serve(const KernelExit& exit) {
  if (const auto* exception = std::get_if<ExceptionExit>(&exit)) return serve_exception(*exception);
  if (std::holds_alternative<CallExit>(exit)) return serve_call();
  if (const auto* mmio = std::get_if<MmioExit>(&exit)) return serve_mmio(*mmio);
  if (const auto* dead = std::get_if<DeadExit>(&exit)) return std::optional<End>(Died{dead->why});
  if (std::holds_alternative<SyscallExit>(exit)) stop_user(0, 0);
  return std::nullopt;
}

// KVM makes such an instruction itself, and would report the end of a single step one instruction
// late when it writes. It is finished here instead, and its page hidden again at once.
Guest::Outcome Guest::serve_mmio(const MmioExit& exit) {
  std::uint64_t value = exit.value;
  const bool device = exit.address.page() == kDevicePhysical.page();
  const std::uint64_t offset = exit.address.page_offset();
  if (exit.write) {
    if (device) device_.write(offset, exit.bytes, value);
  } else {
    value = device ? device_.read(offset, exit.bytes) : ~0ULL;
    vcpu_->finish_read(value);
  }
  kmmio_->bus(exit.address, exit.write, exit.bytes, value);
  if (!stepping_) return std::nullopt;
  const auto more = settle();
  if (!more) return tl::unexpected(more.error());
  if (*more) return serve(**more);
  end_step();
  return std::nullopt;
}

std::size_t Guest::peek(Gva from, std::span<std::byte> to) const {
  std::size_t done = 0;
  while (done < to.size()) {
    const auto at = from.checked_add(done);
    if (!at) break;
    const mmu::Walk walk = mm_->tables().walk(*at);
    if (!walk.mapped() || !machine_->ram().memory().contains(walk.physical().page())) break;
    const std::size_t here = std::min<std::size_t>(to.size() - done, kPageSize - at->page_offset());
    std::memcpy(to.data() + done, machine_->ram().at(walk.physical()), here);
    done += here;
  }
  return done;
}

std::uint32_t Guest::task_word(unsigned offset) const {
  std::uint32_t word = 0;
  if (task_ != Gva() && peek(task_ + offset, std::as_writable_bytes(std::span(&word, 1))) != sizeof word) return 0;
  return word;
}

std::string Guest::place() const { return symbols_.describe(Gva(vcpu_->state().regs.rip)); }

void Guest::log(const std::string& line) const {
  if (config_.log) config_.log(line + "\n");
}

std::uint64_t Guest::count(unsigned what) const {
  switch (what) {
    case FL_COUNT_PAGE_FAULTS: return events_->count(mmu::PerfEvent::kPageFaults);
    case FL_COUNT_MINOR_FAULTS: return events_->count(mmu::PerfEvent::kPageFaultsMinor);
    case FL_COUNT_MAJOR_FAULTS: return events_->count(mmu::PerfEvent::kPageFaultsMajor);
    case FL_COUNT_FROM_USER: return context_->from_user();
    case FL_COUNT_FROM_KERNEL: return context_->from_kernel();
  }
  const auto at = counts_.find(what);
  return at == counts_.end() ? 0 : at->second;
}

}  // namespace faultline::vmm::kernel
