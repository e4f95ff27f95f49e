// Follows do_wp_page, wp_page_copy, wp_page_reuse, wp_page_shared (mm/memory.c).
#include <cstring>

#include "mmu/fault/context.hpp"

namespace faultline::mmu {

namespace {

constexpr std::uint64_t kWritten = Pte::kWrite | Pte::kDirty | Pte::kAccessed;

VmFault reuse(FaultContext& f) {
  if (!f.editor().widen(f.slot, f.address, f.entry, f.entry.with(kWritten))) f.path.add(FaultStep::kRaced);
  return VmFault();
}

VmFault copy(FaultContext& f) {
  f.path.add(FaultStep::kCopy);
  const bool from_zero = f.entry.special();
  const Gfn old = f.entry.frame();
  const std::optional<Gfn> fresh = new_anonymous_frame(f, from_zero ? Zeroing::kNeeded : Zeroing::kNotNeeded);
  if (!fresh) return VmFault::kOom;
  if (!from_zero) {
    const PhysMemory& memory = f.mm.frames().memory();
    std::memcpy(memory.page(*fresh).data(), memory.page(old).data(), kPageSize);
    if (f.log() != nullptr) f.log()->add_copied(old, *fresh);
    count_unmapped(f.mm, old);
    f.gather.retire_frame(old);
  }
  f.editor().replace_leaf(f.slot, f.address, Pte::make(*fresh, f.vma.page_prot() | kWritten));
  count_first_mapping(f.mm, *fresh);
  return VmFault();
}

}  // namespace

VmFault do_wp_page(FaultContext& f) {
  f.path.add(FaultStep::kWriteProtect);
  if (f.vma.flags.has(VmFlags::kShared)) {
    f.path.add(FaultStep::kShared);
    if (f.vma.file->kind() == FileKind::kRegular) f.path.add(FaultStep::kPageMkwrite);
    f.vma.file->mark_dirty(f.vma.page_index(f.address));
    return reuse(f);
  }
  if (!f.entry.special()) {
    Frame& frame = f.mm.frames().at(f.entry.frame());
    const bool sole = frame.refcount.load(std::memory_order_relaxed) == 1;
    if (frame.kind == FrameKind::kAnon && (frame.anon_exclusive || sole)) {
      frame.anon_exclusive = true;
      f.path.add(FaultStep::kReuse);
      return reuse(f);
    }
  }
  return copy(f);
}

}  // namespace faultline::mmu
