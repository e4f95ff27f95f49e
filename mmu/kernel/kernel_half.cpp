#include "mmu/kernel/kernel_half.hpp"

#include <algorithm>

namespace faultline::mmu {

namespace {

constexpr std::uint64_t kHardwareBits = Pte::kAccessed | Pte::kDirty;

// Linux spurious_kernel_fault_check.
bool allows(Pte entry, ErrorCode error) {
  if (error.write() && !entry.writable()) return false;
  return !error.fetch() || !entry.no_execute();
}

VmallocSync of_error(PopulateError error) {
  switch (error) {
    case PopulateError::kMapped: return VmallocSync::kMismatch;
    case PopulateError::kOutside: return VmallocSync::kTableOutside;
    case PopulateError::kNoMemory: break;
  }
  return VmallocSync::kNoMemory;
}

bool same(Pte a, Pte b) { return a.without(kHardwareBits) == b.without(kHardwareBits); }

VmallocSync of_walk(const Walk& walk) {
  switch (walk.end) {
    case WalkEnd::kMapped: return VmallocSync::kInStep;
    case WalkEnd::kOutsideMemory: return VmallocSync::kTableOutside;
    case WalkEnd::kNotPresent:
    case WalkEnd::kReservedBit:
    case WalkEnd::kNonCanonical: break;
  }
  return VmallocSync::kNotMapped;
}

}  // namespace

std::string_view name(VmallocSync sync) {
  switch (sync) {
    case VmallocSync::kCopied: return "copied";
    case VmallocSync::kInStep: return "in step";
    case VmallocSync::kElsewhere: return "not a vmalloc address";
    case VmallocSync::kNotMapped: return "not mapped";
    case VmallocSync::kMismatch: return "entries differ";
    case VmallocSync::kTableOutside: return "table outside guest memory";
    case VmallocSync::kNoMemory: return "no memory";
  }
  return "?";
}

KernelHalf::KernelHalf(KernelTables& reference, Level share_level) : reference_(reference), share_level_(share_level) {
  FL_CHECK(share_level >= 2 && share_level <= levels(reference.mode()));
}

KernelHalf::~KernelHalf() {
  for (const Gfn table : owned_) reference_.frames().put(table);
}

bool KernelHalf::in_area(Gva address) const {
  return std::ranges::any_of(areas_, [&](const KernelArea& a) { return a.start <= address && address < a.end; });
}

VmallocSync KernelHalf::sync(Gfn root, Gva address) {
  if (!in_area(address)) return VmallocSync::kElsewhere;
  const Walk wanted = reference_.walk(address);
  if (const VmallocSync state = of_walk(wanted); state != VmallocSync::kInStep) return state;
  // The entry that is shared: of share_level_, or a huge leaf above it.
  const WalkStep* shared = &wanted.steps[0];
  while (shared->level > share_level_ && shared->entry.kind(shared->level) == PteKind::kTable) ++shared;

  const auto slot =
      populate_kernel_tables(reference_.frames(), reference_.mode(), root, address, shared->level, owned_);
  if (!slot) return of_error(slot.error());
  const Pte mine = slot->load();
  if (mine.none()) {
    PtEditor::link_table(*slot, address, shared->level, shared->entry, nullptr);
    return VmallocSync::kCopied;
  }
  return same(mine, shared->entry) ? VmallocSync::kInStep : VmallocSync::kMismatch;
}

bool spurious_kernel_fault(const KernelTables& reference, Gva address, ErrorCode error) {
  constexpr std::uint32_t kStaleWrite = ErrorCode::kWrite | ErrorCode::kPresent;
  constexpr std::uint32_t kStaleFetch = ErrorCode::kFetch | ErrorCode::kPresent;
  if (error.raw() != kStaleWrite && error.raw() != kStaleFetch) return false;
  const Walk walk = reference.walk(address);
  if (!walk.mapped()) return false;
  const WalkStep& leaf = walk.last();
  if (!allows(leaf.entry, error)) return false;
  return leaf.level != 1 || allows(walk.steps[walk.count - 2].entry, error);
}

}  // namespace faultline::mmu
