// The way back: from a frame to every entry that maps it, in every address space (Linux
// rmap_walk_anon, rmap_walk_file with page_vma_mapped_walk). For truncation, write-back, reclaim
// and the invariant checker; the caller holds the memory lock, and the lock of each address
// space whose entries it changes.
#pragma once

#include <vector>

#include "mmu/pgtable/slot.hpp"
#include "mmu/space/address_space.hpp"

namespace faultline::mmu {

// One entry that maps the frame.
struct MappedAt {
  AddressSpace& mm;
  Vma& vma;
  Gva address;
  PteSlot slot;
};

// The tree of the VMAs that may map the frame; null when none can (Linux folio_anon_vma, and
// folio->mapping->i_mmap).
[[nodiscard]] inline const VmaIntervalTree* reverse_map(const Frame& frame) {
  if (const AnonVma* anon_vma = frame.anon_vma()) return &anon_vma->vmas;
  if (const FileMapping* mapping = frame.mapping()) return &mapping->mappings();
  return nullptr;
}

// Calls visit(const MappedAt&) for every entry that maps `gfn`, PROT_NONE ones included. `visit`
// may change the entry; it may neither unlink VMAs nor drop the last reference of the frame.
// Cost: one table walk for each VMA that may map the page.
template <class Visit>
void rmap_walk(const FrameAllocator& frames, Gfn gfn, Visit&& visit) {
  const Frame& frame = frames.at(gfn);
  const VmaIntervalTree* tree = reverse_map(frame);
  if (tree == nullptr) return;
  const Pgoff index(frame.index);
  tree->for_each(index, index, [&](Vma& vma) {
    const Gva address = vma.start + ((index - vma.pgoff) << kPageShift);
    const PteSlot slot = vma.mm->tables().find(address);
    if (!slot.valid()) return;
    const Pte entry = slot.load();
    if (entry.maps_frame(1) && !entry.special() && entry.frame() == gfn)
      visit(MappedAt{.mm = *vma.mm, .vma = vma, .address = address, .slot = slot});
  });
}

// All of them at once.
[[nodiscard]] inline std::vector<MappedAt> rmap(const FrameAllocator& frames, Gfn gfn) {
  std::vector<MappedAt> found;
  rmap_walk(frames, gfn, [&](const MappedAt& at) { found.push_back(at); });
  return found;
}

// `vma` is the only one left that may map the anonymous frame: from now on it is looked for in
// its processes alone (Linux folio_move_anon_rmap).
inline void move_anon_rmap(Frame& frame, const Vma& vma) {
  FL_CHECK(vma.anon_vma != nullptr);
  frame.set_anon_vma(vma.anon_vma);
}

}  // namespace faultline::mmu
