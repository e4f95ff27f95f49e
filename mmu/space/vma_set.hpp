// The VMAs of one address space, in address order, disjoint (Linux's maple tree mm->mm_mt).
// Pure bookkeeping: knows nothing of page tables. References stay valid until that VMA is
// erased; `start`, `end` and `pgoff` change through resize() and split() only. While a VMA is in
// the set, the reverse maps know it: that of its file, and those of its anon_vmas.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>

#include "mmu/space/vma.hpp"

namespace faultline::mmu {

class VmaSet {
 public:
  using Map = std::map<Gva, Vma>;
  using iterator = Map::iterator;
  using const_iterator = Map::const_iterator;

  // `mm`: what the VMAs belong to, for the reverse maps.
  explicit VmaSet(AddressSpace* mm = nullptr) : mm_(mm) {}
  ~VmaSet();
  VmaSet(const VmaSet&) = delete;
  VmaSet& operator=(const VmaSet&) = delete;

  // Linux find_vma: the lowest VMA with end > va; it may start above va. Null when none.
  [[nodiscard]] Vma* find(Gva va);
  [[nodiscard]] const Vma* find(Gva va) const;
  // Linux vma_lookup: the VMA that contains va, or null.
  [[nodiscard]] Vma* lookup(Gva va);
  [[nodiscard]] const Vma* lookup(Gva va) const;
  // The same as find(), to go on from there; end() when none.
  [[nodiscard]] const_iterator find_position(Gva va) const;
  // The VMA right below / above in address order, or null.
  [[nodiscard]] Vma* previous(const Vma& vma);
  [[nodiscard]] Vma* next(const Vma& vma);
  // First VMA that overlaps [start, end), or null.
  [[nodiscard]] Vma* first_in(Gva start, Gva end);

  // Precondition: overlaps nothing. With an anon_vma, anon_vma_clone() must follow.
  Vma& insert(Vma vma);
  void erase(const Vma& vma);
  // Moves the bounds; pgoff follows start for the same content. Precondition: order is kept.
  Vma& resize(Vma& vma, Gva start, Gva end);
  // Splits at `at` (page aligned, inside); returns the upper half (Linux __split_vma).
  Vma& split(Vma& vma, Gva at);

  [[nodiscard]] std::size_t size() const { return map_.size(); }
  // Grows whenever a VMA goes or gives up room: while it stays, no gap has become larger.
  [[nodiscard]] std::uint64_t removals() const { return removals_; }
  [[nodiscard]] const_iterator begin() const { return map_.begin(); }
  [[nodiscard]] const_iterator end() const { return map_.end(); }

  // A flag or the name of a VMA in the set was changed in place.
  void touched(const Vma& vma) { note_change(vma.start, vma.end); }
  // Every change since the last call lies in this range; start == end: there was none.
  struct Changes {
    Gva start, end;
  };
  Changes take_changes() const { return std::exchange(changes_, Changes{}); }

  // First contradiction (order, overlap, alignment, empty VMA), or nothing.
  [[nodiscard]] std::optional<std::string> check_invariants() const;

 private:
  void note_change(Gva start, Gva end);
  void charge(std::int64_t bytes);
  void link_file(Vma& vma);
  void unlink_file(Vma& vma);
  void move_bounds(Vma& vma, Gva start, Gva end);

  AddressSpace* mm_;
  Map map_;
  std::uint64_t removals_ = 0;
  mutable Changes changes_;  // for whoever watches; nothing of the set itself
};

}  // namespace faultline::mmu
