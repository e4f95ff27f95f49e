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
  meta.index = f.vma.page_index(f.address).raw();
  if (f.log() != nullptr) f.log()->add_allocated(*frame);
  return frame;
}

VmFault do_anonymous_page(FaultContext& f) {
  if (!f.write) {
    f.path.add(FaultStep::kAnonymousZero);
    const Pte zero = Pte::make(f.mm.env().zero_frame, f.vma.page_prot() | Pte::kSpecial);
    if (!f.editor().install(f.slot, f.address, zero)) f.path.add(FaultStep::kRaced);
    return VmFault();
  }
  f.path.add(FaultStep::kAnonymousPage);
  const std::optional<Gfn> frame = new_anonymous_frame(f, Zeroing::kNeeded);
  if (!frame) return VmFault::kOom;
  const Pte entry = Pte::make(*frame, f.vma.page_prot() | Pte::kDirty | Pte::kWrite);
  if (!f.editor().install(f.slot, f.address, entry)) {
    f.path.add(FaultStep::kRaced);
    f.mm.frames().put(*frame);
    return VmFault();
  }
  count_first_mapping(f.mm, *frame);
  return VmFault();
}

}  // namespace faultline::mmu
