#include "mmu/kernel/kernel_tables.hpp"

#include <fmt/format.h>

namespace faultline::mmu {

namespace {
std::string_view why(PopulateError error) {
  switch (error) {
    case PopulateError::kMapped: return "something is mapped there already";
    case PopulateError::kOutside: return "a page table on the way lies outside guest memory";
    case PopulateError::kNoMemory: return "guest memory is too small for the kernel's page tables";
  }
  return "?";
}
}  // namespace

std::unique_ptr<KernelTables> KernelTables::create(FrameAllocator& frames, TlbSink& sink, PagingMode mode,
                                                   Gfn kernel_half) {
  auto tables = PageTables::create(frames, sink, mode, kernel_half);
  if (!tables) return nullptr;
  return std::unique_ptr<KernelTables>(new KernelTables(std::move(tables)));
}

KernelTables::~KernelTables() {
  FrameAllocator& frames = tables_->frames();
  tables_.reset();  // with every translation
  for (const Gfn table : owned_) frames.put(table);
}

tl::expected<PteSlot, PopulateError> populate_kernel_tables(FrameAllocator& frames, PagingMode mode, Gfn root, Gva va,
                                                            Level wanted, std::vector<Gfn>& owned) {
  const PhysMemory& memory = frames.memory();
  Gfn table = root;
  for (Level level = levels(mode); level > wanted; --level) {
    const PteSlot slot = PteSlot::of(memory, table, va, level, mode);
    Pte entry = slot.load();
    if (entry.none()) {
      const std::optional<Gfn> fresh = frames.allocate(FrameKind::kTable, Zeroing::kNeeded);
      if (!fresh) return tl::unexpected(PopulateError::kNoMemory);
      owned.push_back(*fresh);
      entry = Pte::make(*fresh, table_flags(va, level, mode));
      PtEditor::link_table(slot, va, level, entry, nullptr);
    }
    if (entry.kind(level) != PteKind::kTable) return tl::unexpected(PopulateError::kMapped);
    table = entry.frame(level);
    if (!memory.contains(table)) return tl::unexpected(PopulateError::kOutside);
  }
  return PteSlot::of(memory, table, va, wanted, mode);
}

Result<void> KernelTables::map(Gva va, Gfn frame, std::uint64_t flags, Level level) {
  if (!is_canonical(va, mode()) || !fault_in_kernel_space(va, mode()))
    return fail(fmt::format("{:#x}: not an address of the kernel half", va.raw()));
  const std::uint64_t bytes = level_span(level, mode());
  if (va.raw() % bytes != 0 || Gpa(frame).raw() % bytes != 0)
    return fail(fmt::format("{:#x}: not aligned to its page of {:#x} bytes", va.raw(), bytes));
  const auto slot = populate_kernel_tables(frames(), mode(), root(), va, level, owned_);
  if (!slot) return fail(fmt::format("{:#x}: {}", va.raw(), why(slot.error())));
  TlbGather gather(*tables_);
  if (!PtEditor(gather).install(*slot, va, Pte::make(frame, flags | (level > 1 ? Pte::kPageSizeBit : 0)), level))
    return fail(fmt::format("{:#x}: {}", va.raw(), why(PopulateError::kMapped)));
  return {};
}

bool KernelTables::unmap(Gva va) {
  const LeafSlot at = leaf(va);
  if (!at.slot.valid() || !at.slot.load().present()) return false;
  TlbGather gather(*tables_);
  PtEditor(gather).clear(at.slot, va, at.level);
  gather.flush();
  return true;
}

bool KernelTables::protect(Gva va, std::uint64_t flags) {
  const LeafSlot at = leaf(va);
  if (!at.slot.valid() || !at.slot.load().present()) return false;
  TlbGather gather(*tables_);
  PtEditor(gather).protect(at.slot, va, flags | (at.level > 1 ? Pte::kPageSizeBit : 0), at.level);
  gather.flush();
  return true;
}

}  // namespace faultline::mmu
