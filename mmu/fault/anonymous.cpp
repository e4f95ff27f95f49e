// Follows do_anonymous_page (mm/memory.c). No huge pages, no userfaultfd yet.
#include "mmu/fault/context.hpp"

namespace faultline::mmu {

std::optional<Gfn> new_anonymous_frame(FaultContext& f, Zeroing zeroing) {
  f.mm.prepare_anon_vma(f.vma);
  // One object from the allocator to the caller: a copy would load 16 bytes that were stored in
  // parts, and wait for the zeroing of the page to reach the cache.
  std::optional<Gfn> frame = f.mm.frames().allocate(FrameKind::kAnon, zeroing);
  if (!frame) {
    f.path.add(FaultStep::kOutOfMemory);
    return frame;
  }
  Frame& meta = f.mm.frames().at(*frame);
  meta.anon_exclusive = true;
  // Pages of MAP_DROPPABLE go when memory is short, written or not.
  meta.lazy_free = f.vma.flags.has(VmFlags::kDroppable);
  meta.index = f.vma.page_index(f.address).raw();
  meta.set_anon_vma(f.vma.anon_vma);
  if (f.log() != nullptr) f.log()->add_allocated(*frame);
  return frame;
}

VmFault do_anonymous_page(FaultContext& f) {
  // Shared memory has a file behind it; a shared area without one has nothing to share.
  if (f.vma.flags.has(VmFlags::kShared)) return VmFault::kSigbus;
  if (!f.write()) {
    f.path.add(FaultStep::kAnonymousZero);
    if (!f.entry_unchanged()) return {};
    if (const VmFault unstable = f.check_stable(); unstable.error()) return unstable;
    const Pte zero = Pte::make(f.mm.env().zero_frame, f.vma.page_prot() | Pte::kSpecial);
    FL_CHECK(f.editor().install(f.slot, f.address, zero));
    return {};
  }
  f.path.add(FaultStep::kAnonymousPage);
  const std::optional<Gfn> frame = new_anonymous_frame(f, Zeroing::kNeeded);
  if (!frame) return VmFault::kOom;
  const bool unchanged = f.entry_unchanged();
  const VmFault unstable = unchanged ? f.check_stable() : VmFault();
  if (!unchanged || unstable.error()) {
    f.mm.frames().put(*frame);
    return unstable;
  }
  FL_CHECK(f.editor().install(f.slot, f.address, Pte::make(*frame, f.own_page_prot())));
  count_first_mapping(f.mm, *frame);
  return {};
}

}  // namespace faultline::mmu
