#include "vmm/fuzz/guest/engine.hpp"

#include <sys/mman.h>

#include <bit>
#include <cstring>

#include "guest/abi.h"
#include "mmu/fault/fault.hpp"
#include "mmu/space/operations.hpp"
#include "vmm/fuzz/layout.hpp"

extern "C" const std::byte faultline_fuzz_engine[], faultline_fuzz_engine_end[];

namespace faultline::vmm::fuzz {
namespace {

static_assert(Engine::kEnd == Engine::kList + kPageSize);
static_assert(FLE_HANDLERS * FLE_HANDLER_BYTES <= kPageSize);
static_assert(FLE_FRAME + 5 * 8 == FLE_RECORD_BYTES);

// While it lives, what is done in `mm` is nobody's fault and fails for nobody's sake.
class Unseen {
 public:
  explicit Unseen(mmu::AddressSpace& mm)
      : mm_(mm), observer_(mm.observer), counters_(mm.counters), failure_(mm.frames().failing_nth()) {
    mm.observer = nullptr;
    mm.frames().fail_nth(0);
  }
  ~Unseen() {
    mm_.observer = observer_;
    mm_.counters = counters_;
    mm_.frames().fail_nth(failure_);
  }
  Unseen(const Unseen&) = delete;
  Unseen& operator=(const Unseen&) = delete;

 private:
  mmu::AddressSpace& mm_;
  mmu::FaultObserver* observer_;
  mmu::FaultCounters counters_;
  std::uint64_t failure_;
};

unsigned width_index(std::int64_t width) {
  return static_cast<unsigned>(std::countr_zero(static_cast<std::uint64_t>(width)));
}

void store(std::span<std::byte> record, std::size_t offset, std::uint64_t value) {
  std::memcpy(record.data() + offset, &value, sizeof value);
}

void store_pattern(std::span<std::byte> record, std::int64_t value) {
  for (unsigned i = 0; i < 16; ++i) record[FLE_VALUE + i] = std::byte{pattern_byte(static_cast<unsigned>(value), i)};
}

void store_iret_frame(std::span<std::byte> record, Gva target) {
  const std::uint64_t frame[] = {target.raw(), FL_USER_CS, Engine::kFlags | Engine::kTrapFlag, FLE_NOWHERE, FL_USER_SS};
  std::memcpy(record.data() + FLE_FRAME, frame, sizeof frame);
}

// Fills everything but the handler, whose number it returns.
unsigned compile(std::span<std::byte> record, const Operation& o) {
  const auto address = [&o](std::size_t operand) { return address_of(unpack_address(o.operands[operand])); };
  const auto at = [&](std::size_t operand) { store(record, FLE_ADDRESS, address(operand).raw()); };
  switch (o.op) {
    case Op::kRead: at(1); return FLE_READ + width_index(o.operands[0]);
    case Op::kWrite:
      at(1);
      store_pattern(record, o.operands[2]);
      return FLE_WRITE + width_index(o.operands[0]);
    case Op::kModify: at(1); return FLE_MODIFY + width_index(o.operands[0]);
    case Op::kLocked:
      at(1);
      store_pattern(record, o.operands[2]);
      return FLE_XCHG + width_index(o.operands[0]);
    case Op::kCopy:
      at(1);
      store(record, FLE_TO, address(2).raw());
      store(record, FLE_COUNT, static_cast<std::uint64_t>(o.operands[0]));
      return FLE_COPY;
    case Op::kFill:
      at(1);
      store_pattern(record, o.operands[2]);
      store(record, FLE_COUNT, static_cast<std::uint64_t>(o.operands[0]));
      return FLE_FILL;
    case Op::kFetch:
      at(0);
      store_iret_frame(record, address(0));
      return FLE_FETCH;
    default: break;
  }
  FL_CHECK(!"an operation that makes no access");
  return FLE_END;
}

}  // namespace

Result<Engine> Engine::create(mmu::FrameAllocator& frames) {
  mmu::PageCache cache(frames);
  auto memory = cache.create_anonymous(kEnd - kCode);
  const auto code = memory->fetch(Pgoff(0));
  const auto list = code ? memory->fetch(Pgoff(1)) : code;
  if (!list) return fail("no guest memory for the engine that makes accesses");
  const auto bytes = static_cast<std::size_t>(faultline_fuzz_engine_end - faultline_fuzz_engine);
  std::memcpy(frames.memory().page(code->frame).data(), faultline_fuzz_engine, bytes);
  return Engine(std::move(memory), frames.memory(), code->frame, list->frame);
}

// The pages are executable as well as writable: an entry with NX would be corrupt once EFER.NXE is off.
Result<void> Engine::install(mmu::AddressSpace& mm) const {
  const Unseen unseen(mm);
  if (mm.vmas.find(kCode) == nullptr) {
    const auto mapped = mmu::do_mmap(mm, {.address = kCode.raw(),
                                          .length = kEnd - kCode,
                                          .prot = PROT_READ | PROT_WRITE | PROT_EXEC,
                                          .flags = MAP_SHARED | MAP_FIXED_NOREPLACE,
                                          .file = memory_});
    if (!mapped) return fail("the engine that makes accesses cannot be mapped");
  }
  for (Gva page = kCode; page < kEnd; page = page + kPageSize) {
    if (!resolve(mm, page)) return fail("no guest memory for the tables of the engine that makes accesses");
  }
  return {};
}

bool Engine::resolve(mmu::AddressSpace& mm, Gva address) {
  const Unseen unseen(mm);
  return mmu::fault_in_page(mm, address.page_base(), true, mmu::FaultOrigin::kGup).has_value();
}

std::span<std::byte, FLE_RECORD_BYTES> Engine::bytes(std::size_t index) const {
  return std::span<std::byte, FLE_RECORD_BYTES>(ram_.page(list_).data() + index * FLE_RECORD_BYTES, FLE_RECORD_BYTES);
}

void Engine::write(std::span<const Operation> accesses, unsigned end) {
  FL_CHECK(accesses.size() <= kMaxRecords);
  for (std::size_t i = 0; i < accesses.size(); ++i)
    store(bytes(i), FLE_HANDLER, part(compile(bytes(i), accesses[i])).raw());
  store(bytes(accesses.size()), FLE_HANDLER, part(end).raw());
}

std::span<const std::uint8_t> Engine::loaded(std::size_t index, const Operation& access) const {
  if (access.op != Op::kRead && access.op != Op::kLocked) return {};
  const auto record = bytes(index);
  return {reinterpret_cast<const std::uint8_t*>(record.data()) + FLE_LOADED,
          static_cast<std::size_t>(access.operands[0])};
}

}  // namespace faultline::vmm::fuzz
