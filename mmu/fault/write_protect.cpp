// Follows do_wp_page, wp_page_copy, wp_page_reuse, wp_page_shared (mm/memory.c).
#include <cstring>

#include "mmu/backing/rmap.hpp"
#include "mmu/fault/context.hpp"
#include "mmu/space/notify.hpp"

namespace faultline::mmu {

namespace {

// Linux wp_page_reuse. W is the VMA's to give: a forced write leaves a read-only area read-only.
VmFault reuse(FaultContext& f) {
  const std::uint64_t write = f.vma.flags.has(VmFlags::kWrite) ? Pte::kWrite : 0;
  FL_CHECK(f.editor().widen(f.slot, f.address, f.entry, f.entry.with(Pte::kDirty | Pte::kAccessed | write)));
  return {};
}

// Linux wp_page_copy. A page that is only unshared is as read-only and as clean as before.
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
  }
  const NotifierRange notify(f.mm, NotifierEvent::kClear, f.address, f.address + kPageSize);
  if (!f.entry_unchanged()) {
    f.mm.frames().put(*fresh);
    return {};
  }
  if (!from_zero) {
    count_unmapped(f.mm, old);
    f.gather.retire_frame(old);
  }
  const std::uint64_t prot = f.unshare() ? f.vma.page_prot() : f.own_page_prot();
  f.editor().replace_leaf(f.slot, f.address, Pte::make(*fresh, prot | Pte::kAccessed));
  count_first_mapping(f.mm, *fresh);
  return {};
}

VmFault shared(FaultContext& f) {
  f.path.add(FaultStep::kShared);
  const VmFault told = do_page_mkwrite(f);
  if (told.any(VmFault::kError | VmFault::kNopage)) return told;
  return f.entry_unchanged() ? reuse(f) : VmFault(VmFault::kNopage);
}

}  // namespace

VmFault do_wp_page(FaultContext& f) {
  f.path.add(FaultStep::kWriteProtect);
  if (f.vma.flags.any(VmFlags::kShared | VmFlags::kMayShare)) return shared(f);
  if (!f.entry.special()) {
    Frame& frame = f.mm.frames().at(f.entry.frame());
    const bool sole = frame.refcount.load(std::memory_order_relaxed) == 1;
    if (frame.kind == FrameKind::kAnon && (frame.anon_exclusive || sole)) {
      if (!frame.anon_exclusive) move_anon_rmap(frame, f.vma);
      frame.anon_exclusive = true;
      f.path.add(FaultStep::kReuse);
      return f.unshare() ? VmFault() : reuse(f);
    }
  }
  return copy(f);
}

}  // namespace faultline::mmu
