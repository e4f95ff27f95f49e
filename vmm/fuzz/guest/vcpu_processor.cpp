#include "vmm/fuzz/guest/vcpu_processor.hpp"

#include <utility>

#include "mmu/pgtable/slot.hpp"

namespace faultline::vmm::fuzz {
namespace {

// The frame that the entries for `page` name, whatever their other bits have become: what the
// processor may have cached of them led there. Gfn(0): none.
Gfn frame_named(const mmu::PageTables& tables, Gva page) {
  constexpr std::uint64_t kAddress = mmu::Pte::kAddressMask & ~(1ULL << 51);
  Gfn at = tables.root();
  for (mmu::Level level = mmu::levels(tables.mode()); level >= 1; --level) {
    const mmu::Pte entry = mmu::PteSlot(tables.memory(), at, mmu::table_index(page, level)).load();
    const bool inverted = !entry.present() && entry.has(mmu::Pte::kProtNone);
    at = Gfn(((inverted ? ~entry.raw() : entry.raw()) & kAddress) >> kPageShift);
    if (at == Gfn(0) || !tables.memory().contains(at)) return Gfn(0);
  }
  return at;
}

}  // namespace

Result<void> VcpuProcessor::run(mmu::AddressSpace& mm, std::span<const Operation> accesses, AccessSink& sink) {
  AccessList one = list(mm, accesses, sink);
  return runner_.run(std::span(&one, 1));
}

GuestCost VcpuProcessor::take_cost() {
  cost_ += sink_.take_cost();
  return std::exchange(cost_, {});
}

void VcpuProcessor::invalidate(mmu::AddressSpace& mm, Gva address) {
  if (address >= mm.task_size()) return;
  const Gva page = address.page_base();
  const mmu::FrameRange frame{frame_named(mm.tables(), page), 1};
  sink_.flush({.root = Gpa(mm.tables().root()),
               .start = page,
               .end = page + kPageSize,
               .frames = std::span(&frame, frame.first == Gfn(0) ? 0 : 1),
               .pages = 1});
}

}  // namespace faultline::vmm::fuzz
