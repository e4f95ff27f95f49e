// VMAs by the page offsets that they map: who may map page n of a file or of anonymous memory?
// (Linux's interval trees: address_space->i_mmap, anon_vma->rb_root.)
//
// An AVL tree, so that its depth is bounded whatever a guest maps in whatever order; intrusive,
// so that it allocates nothing. Entries with the same first page keep the order of insertion.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "mmu/base/address.hpp"

namespace faultline::mmu {

struct Vma;

// A VMA's place in one tree. Copies are in no tree.
class VmaInterval {
 public:
  VmaInterval() = default;
  VmaInterval(const VmaInterval&) {}
  VmaInterval& operator=(const VmaInterval&) { return *this; }
  ~VmaInterval() { FL_CHECK(!linked()); }

  [[nodiscard]] bool linked() const { return height_ != 0; }
  [[nodiscard]] Pgoff first() const { return Pgoff(first_); }
  [[nodiscard]] Pgoff last() const { return Pgoff(last_); }
  // Valid while linked.
  [[nodiscard]] Vma& vma() const { return *vma_; }

 private:
  friend class VmaIntervalTree;
  Vma* vma_ = nullptr;
  std::uint64_t first_ = 0, last_ = 0;
  std::uint64_t highest_ = 0;   // last page of all below and including this one
  std::uint64_t sequence_ = 0;  // of insertion
  VmaInterval *left_ = nullptr, *right_ = nullptr;
  int height_ = 0;  // 0: in no tree
};

class VmaIntervalTree {
 public:
  VmaIntervalTree() = default;
  ~VmaIntervalTree() { FL_CHECK(empty()); }
  VmaIntervalTree(const VmaIntervalTree&) = delete;
  VmaIntervalTree& operator=(const VmaIntervalTree&) = delete;

  // Files `vma` under all pages it maps now. They may not change while it is linked.
  void insert(VmaInterval& interval, Vma& vma);
  void erase(VmaInterval& interval);

  [[nodiscard]] bool empty() const { return root_ == nullptr; }
  [[nodiscard]] std::size_t size() const { return size_; }

  // Calls visit(vma) for every VMA that maps a page of [first, last], in order of their first
  // pages. `visit` may not change this tree.
  template <class Visit>
  void for_each(Pgoff first, Pgoff last, Visit&& visit) const {
    walk(root_, first.raw(), last.raw(), visit);
  }

  // First contradiction (order, balance, sums), or nothing.
  [[nodiscard]] std::optional<std::string> check_invariants() const;

 private:
  template <class Visit>
  static void walk(const VmaInterval* at, std::uint64_t first, std::uint64_t last, Visit& visit) {
    if (at == nullptr || at->highest_ < first) return;
    walk(at->left_, first, last, visit);
    if (at->first_ > last) return;
    if (at->last_ >= first) visit(*at->vma_);
    walk(at->right_, first, last, visit);
  }
  // Each returns the top of the subtree as it is then.
  static VmaInterval* insert_below(VmaInterval* at, VmaInterval& fresh);
  static VmaInterval* erase_below(VmaInterval* at, VmaInterval& gone);
  static VmaInterval* take_leftmost(VmaInterval* at, VmaInterval*& leftmost);
  static VmaInterval* rotate_right(VmaInterval* at);
  static VmaInterval* rotate_left(VmaInterval* at);
  static VmaInterval* balance(VmaInterval* at);

  static int height(const VmaInterval* at) { return at == nullptr ? 0 : at->height_; }
  static bool before(const VmaInterval& a, const VmaInterval& b) {
    return a.first_ != b.first_ ? a.first_ < b.first_ : a.sequence_ < b.sequence_;
  }
  static void sum(VmaInterval& at);
  static std::optional<std::string> check_below(const VmaInterval* at, const VmaInterval*& previous,
                                                std::size_t& count);

  VmaInterval* root_ = nullptr;
  std::size_t size_ = 0;
  std::uint64_t sequence_ = 0;
};

}  // namespace faultline::mmu
