// Merging and splitting VMAs exactly as Linux does (mm/vma.c: vma_merge_new_range,
// vma_merge_existing_range, vma_modify). Pure bookkeeping on the VMA set.
#pragma once

#include "mmu/space/address_space.hpp"

namespace faultline::mmu {

// A range that is about to be mapped, and all that decides whether it may be one with a
// neighbour.
struct NewRange {
  Gva start, end;
  VmFlags flags;
  Pgoff pgoff;  // of `start`
  const FileMapping* file = nullptr;
  AnonVma* anon_vma = nullptr;  // where it brings anonymous pages along: that of the VMA they are in
  std::string_view name = {};
  // The VMA that has the pages, and its links, when anon_vma is set and no neighbour has it.
  const Vma* copied_from = nullptr;
};

enum class MergeSides : std::uint8_t {
  kBoth,
  kLeftOnly,  // brk: the heap never swallows what lies above it
};

// Extends the neighbours of [start, end) over it where they are compatible, left, right or
// both. Precondition: the range is free. Returns the VMA that covers it now, or null: then
// nothing changed, and the caller makes a VMA.
Vma* merge_new_range(VmaSet& vmas, const NewRange& range, MergeSides sides = MergeSides::kBoth);

// Gives [start, end) of `vma` the flags: merges it with neighbours that have them already,
// or splits `vma` (Linux vma_modify_flags). Returns the VMA that covers the range now, which
// may be larger. ENOMEM at max_map_count, where the lower of two splits may stay done.
// Precondition: the range lies in `vma`, and the flags differ from its own.
SysResult<Vma*> modify_range(AddressSpace& mm, Vma& vma, Gva start, Gva end, VmFlags flags);

// Linux split_vma: the upper half, or ENOMEM at max_map_count.
SysResult<Vma*> split_vma(AddressSpace& mm, Vma& vma, Gva at);

}  // namespace faultline::mmu
