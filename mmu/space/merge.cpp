// Linux compares struct file, one per open; here the inode's FileMapping stands for it, so two
// opens of one file may merge where Linux keeps two VMAs.
#include "mmu/space/merge.hpp"

#include "mmu/space/accounting.hpp"

namespace faultline::mmu {

namespace {

// "[heap]" and "[stack]" are what Linux prints for certain addresses, not names of a VMA.
std::string_view own_name(std::string_view name) { return name == "[heap]" || name == "[stack]" ? "" : name; }

// Linux is_mergeable_vma.
bool same_attributes(const Vma& vma, const NewRange& range) {
  if (vma.flags.without(VmFlags::kSticky) != range.flags.without(VmFlags::kSticky) || vma.file.get() != range.file)
    return false;
  return vma.file != nullptr || own_name(vma.name) == own_name(range.name);
}

// Linux vma_is_fork_child: its pages may be a parent's or a child's as well.
bool is_fork_child(const Vma* vma) {
  return vma != nullptr && vma->anon_vma != nullptr && !vma->anon_vma_chain.singular();
}

// Linux is_mergeable_anon_vma: an area that has no pages yet takes over the other's anon_vma, but
// not what a fork made, whose chains would grow with every such merge.
bool anon_vma_joins(const Vma& neighbour, const NewRange& range) {
  if (neighbour.anon_vma == nullptr && range.anon_vma != nullptr) return !is_fork_child(range.copied_from);
  if (neighbour.anon_vma != nullptr && range.anon_vma == nullptr) return !is_fork_child(&neighbour);
  return neighbour.anon_vma == range.anon_vma;
}

// The last condition of Linux can_vma_merge_right.
bool may_be_one(const Vma& below, const Vma& above) {
  return below.anon_vma == nullptr || above.anon_vma == nullptr || below.anon_vma == above.anon_vma;
}

// Linux can_vma_merge_after.
bool joins_below(const Vma* below, const NewRange& range) {
  return below != nullptr && below->end == range.start && same_attributes(*below, range) &&
         anon_vma_joins(*below, range) && below->pgoff + below->pages() == range.pgoff;
}

// Linux can_vma_merge_before.
bool joins_above(const Vma* above, const NewRange& range) {
  return above != nullptr && above->start == range.end && same_attributes(*above, range) &&
         anon_vma_joins(*above, range) && above->pgoff == range.pgoff + (range.end.page() - range.start.page());
}

struct Neighbours {
  Vma* below = nullptr;
  Vma* above = nullptr;
  [[nodiscard]] bool none() const { return below == nullptr && above == nullptr; }
  // Which of them the merge makes larger.
  [[nodiscard]] Vma& survivor() const { return below != nullptr ? *below : *above; }
};

// Linux dup_anon_vma.
void dup_anon_vma(Vma& survivor, const Vma& from) {
  if (survivor.anon_vma != nullptr || from.anon_vma == nullptr) return;
  survivor.anon_vma = from.anon_vma;
  anon_vma_clone(survivor, from);
}

void inherit_sticky(Vma& survivor, VmFlags flags) {
  survivor.flags = survivor.flags.with(flags.raw() & VmFlags::kSticky);
}

// What the survivor of a merge takes over from the range.
void inherit(Vma& survivor, const NewRange& range) {
  inherit_sticky(survivor, range.flags);
  if (range.copied_from != nullptr) dup_anon_vma(survivor, *range.copied_from);
  if (survivor.name.empty()) survivor.name = range.name;
}

// Those that `range` may be one with. Both may be compatible with the range and yet not with
// each other: then the one below wins.
Neighbours joining(Neighbours around, const NewRange& range) {
  if (!joins_below(around.below, range)) around.below = nullptr;
  if (!joins_above(around.above, range)) around.above = nullptr;
  if (around.below != nullptr && around.above != nullptr && !may_be_one(*around.below, *around.above))
    around.above = nullptr;
  return around;
}

// Makes one VMA of the range and `join`, which is somebody. Precondition: nothing else lies in
// the range, and inherit() is done.
Vma* extend_over(VmaSet& vmas, Neighbours join, const NewRange& range) {
  if (join.below == nullptr) return &vmas.resize(*join.above, range.start, join.above->end);
  Gva end = range.end;
  if (join.above != nullptr) {
    end = join.above->end;
    dup_anon_vma(*join.below, *join.above);
    inherit_sticky(*join.below, join.above->flags);
    if (join.below->name.empty()) join.below->name = join.above->name;
    vmas.erase(*join.above);
  }
  return &vmas.resize(*join.below, join.below->start, end);
}

Vma* highest_below(VmaSet& vmas, Gva at) {
  if (at == Gva(0)) return nullptr;
  // Merging needs the VMA that ends at `at`, nothing farther down.
  return vmas.lookup(at - kPageSize);
}

// Linux vma_merge_existing_range: null when there is nothing to merge with.
Vma* merge_existing_range(VmaSet& vmas, Vma& vma, const NewRange& range) {
  const bool left_edge = range.start == vma.start;
  const bool right_edge = range.end == vma.end;
  const Neighbours join =
      joining({left_edge ? vmas.previous(vma) : nullptr, right_edge ? vmas.next(vma) : nullptr}, range);
  if (join.none()) return nullptr;
  inherit(join.survivor(), range);  // while `vma` is there
  if (join.below != nullptr && !right_edge) {
    vmas.resize(vma, range.end, vma.end);
  } else if (join.below == nullptr && !left_edge) {
    vmas.resize(vma, vma.start, range.start);
  } else {
    vmas.erase(vma);
  }
  return extend_over(vmas, join, range);
}

}  // namespace

Vma* merge_new_range(VmaSet& vmas, const NewRange& range, MergeSides sides) {
  const Neighbours around{highest_below(vmas, range.start),
                          sides == MergeSides::kBoth ? vmas.lookup(range.end) : nullptr};
  const Neighbours join = joining(around, range);
  if (join.none()) return nullptr;
  inherit(join.survivor(), range);
  return extend_over(vmas, join, range);
}

SysResult<Vma*> split_vma(AddressSpace& mm, Vma& vma, Gva at) {
  if (no_map_to_split(mm)) return sys_error(ENOMEM);
  return &mm.vmas.split(vma, at);
}

SysResult<Vma*> modify_range(AddressSpace& mm, Vma& vma, Gva start, Gva end, VmFlags flags) {
  // Copies: the VMA may go away in the merge.
  const std::string name = vma.name;
  const std::shared_ptr<FileMapping> file = vma.file;
  const NewRange range{.start = start,
                       .end = end,
                       .flags = flags,
                       .pgoff = vma.page_index(start),
                       .file = file.get(),
                       .anon_vma = vma.anon_vma,
                       .name = name,
                       .copied_from = &vma};
  if (Vma* merged = merge_existing_range(mm.vmas, vma, range)) return merged;
  Vma* middle = &vma;
  if (vma.start < start) {
    const SysResult<Vma*> upper = split_vma(mm, vma, start);
    if (!upper) return upper;
    middle = *upper;
  }
  if (middle->end > end) {
    if (const auto upper = split_vma(mm, *middle, end); !upper) return upper;
  }
  middle->flags = flags;
  mm.vmas.touched(*middle);
  return middle;
}

}  // namespace faultline::mmu
