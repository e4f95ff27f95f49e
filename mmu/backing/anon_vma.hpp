// Who may map a page of anonymous memory (Linux mm/rmap.c: anon_vma, anon_vma_chain).
//
// A page belongs to the anon_vma of the VMA that first wrote it. After a fork the child's VMA is
// linked to every anon_vma of its parent's, and gets one of its own for the pages that it will
// write: so a page is mapped, if at all, in the VMAs that its anon_vma's tree names, and each
// page that a process has for itself is looked for in few of them (docs/adr/0005).
//
//   parent's VMA ── chain: A
//   child's VMA  ── chain: A, B      B.parent = A, B.root = A
//   its child's  ── chain: A, B, C   C.parent = B
//
// Guarded by the memory lock.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "mmu/backing/vma_interval_tree.hpp"

namespace faultline::mmu {

// Lives as long as a VMA is linked to it: unlink_anon_vmas() of the last one deletes it.
struct AnonVma {
  AnonVma* root;                      // the oldest of the tree; itself for a first one
  AnonVma* parent;                    // whose VMA was forked; itself for a root
  std::uint32_t num_children = 0;     // anon_vmas whose parent this is, itself included
  std::uint32_t num_active_vmas = 0;  // VMAs that put their new pages here
  VmaIntervalTree vmas;               // all VMAs that may map its pages
};

// Linux anon_vma_chain: that a VMA may map an anon_vma's pages.
struct AnonVmaLink {
  static constexpr std::int64_t kMetadataBytes = 128;  // what it costs of host memory, roughly
  AnonVma* anon_vma;
  VmaInterval interval;
};

// The links of one VMA, from the oldest anon_vma to its own. A copy of a VMA has none: it is
// anon_vma_clone() that links it.
class AnonVmaChain {
 public:
  AnonVmaChain() = default;
  AnonVmaChain(const AnonVmaChain&) {}
  AnonVmaChain& operator=(const AnonVmaChain&) = delete;
  ~AnonVmaChain() { FL_CHECK(links_.empty()); }

  [[nodiscard]] bool empty() const { return links_.empty(); }
  // One link: the VMA was never forked (Linux list_is_singular).
  [[nodiscard]] bool singular() const { return links_.size() == 1; }
  [[nodiscard]] const std::vector<std::unique_ptr<AnonVmaLink>>& links() const { return links_; }
  [[nodiscard]] bool contains(const AnonVma* anon_vma) const;

  void add(AnonVma& anon_vma, Vma& vma);
  // Drops the newest link of `vma`, whose chain this is; the tree may be empty then.
  AnonVma& remove_newest(const Vma& vma);
  // Around a change of the VMA's bounds (Linux anon_vma_interval_tree_pre/post_update_vma).
  void leave_trees();
  void enter_trees(Vma& vma);

 private:
  std::vector<std::unique_ptr<AnonVmaLink>> links_;
};

// Gives `vma` an anon_vma for its pages: `mergeable`, a neighbour's that it may share, or with
// null one of its own (Linux __anon_vma_prepare). Precondition: it has none.
void anon_vma_attach(Vma& vma, AnonVma* mergeable);
// Links `to` to all that `from` is linked to (Linux anon_vma_clone): for a VMA that is to map
// pages of `from`, after a split, a move or a merge. to.anon_vma is set to from's before. For
// a fork it is null, and becomes an ancestor's that nobody uses any more, if there is one.
// Precondition: `to` is in its set and has no links.
void anon_vma_clone(Vma& to, const Vma& from);
// Links `child`, a copy of `parent` in another address space (Linux anon_vma_fork).
void anon_vma_fork(Vma& child, const Vma& parent);
// Takes all links away, and the anon_vma (Linux unlink_anon_vmas). None of its anonymous pages
// is mapped in `vma` any more.
void unlink_anon_vmas(Vma& vma);

}  // namespace faultline::mmu
