// Knuth, The Art of Computer Programming 3, 6.2.3, "Balanced Trees", with the highest page of
// each subtree kept in its top.
#include "mmu/backing/vma_interval_tree.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "mmu/space/vma.hpp"

namespace faultline::mmu {

void VmaIntervalTree::sum(VmaInterval& at) {
  at.height_ = 1 + std::max(height(at.left_), height(at.right_));
  at.highest_ = at.last_;
  for (const VmaInterval* child : {at.left_, at.right_})
    if (child != nullptr) at.highest_ = std::max(at.highest_, child->highest_);
}

VmaInterval* VmaIntervalTree::rotate_right(VmaInterval* at) {
  VmaInterval* const top = at->left_;
  at->left_ = top->right_;
  top->right_ = at;
  sum(*at);
  sum(*top);
  return top;
}

VmaInterval* VmaIntervalTree::rotate_left(VmaInterval* at) {
  VmaInterval* const top = at->right_;
  at->right_ = top->left_;
  top->left_ = at;
  sum(*at);
  sum(*top);
  return top;
}

VmaInterval* VmaIntervalTree::balance(VmaInterval* at) {
  sum(*at);
  const int lean = height(at->left_) - height(at->right_);
  if (lean > 1) {
    if (height(at->left_->left_) < height(at->left_->right_)) at->left_ = rotate_left(at->left_);
    return rotate_right(at);
  }
  if (lean < -1) {
    if (height(at->right_->right_) < height(at->right_->left_)) at->right_ = rotate_right(at->right_);
    return rotate_left(at);
  }
  return at;
}

VmaInterval* VmaIntervalTree::insert_below(VmaInterval* at, VmaInterval& fresh) {
  if (at == nullptr) return &fresh;
  VmaInterval*& side = before(fresh, *at) ? at->left_ : at->right_;
  side = insert_below(side, fresh);
  return balance(at);
}

VmaInterval* VmaIntervalTree::take_leftmost(VmaInterval* at, VmaInterval*& leftmost) {
  if (at->left_ == nullptr) {
    leftmost = at;
    return at->right_;
  }
  at->left_ = take_leftmost(at->left_, leftmost);
  return balance(at);
}

VmaInterval* VmaIntervalTree::erase_below(VmaInterval* at, VmaInterval& gone) {
  FL_CHECK(at != nullptr);
  if (at != &gone) {
    VmaInterval*& side = before(gone, *at) ? at->left_ : at->right_;
    side = erase_below(side, gone);
    return balance(at);
  }
  if (gone.right_ == nullptr) return gone.left_;
  VmaInterval* top = nullptr;
  VmaInterval* const rest = take_leftmost(gone.right_, top);
  top->left_ = gone.left_;
  top->right_ = rest;
  return balance(top);
}

void VmaIntervalTree::insert(VmaInterval& interval, Vma& vma) {
  FL_CHECK(!interval.linked());
  interval.vma_ = &vma;
  interval.first_ = vma.pgoff.raw();
  interval.last_ = vma.pgoff.raw() + vma.pages() - 1;
  interval.sequence_ = sequence_++;
  interval.left_ = interval.right_ = nullptr;
  sum(interval);
  root_ = insert_below(root_, interval);
  ++size_;
}

void VmaIntervalTree::erase(VmaInterval& interval) {
  FL_CHECK(interval.linked());
  root_ = erase_below(root_, interval);
  interval.height_ = 0;
  --size_;
}

std::optional<std::string> VmaIntervalTree::check_below(const VmaInterval* at, const VmaInterval*& previous,
                                                        std::size_t& count) {
  if (at == nullptr) return std::nullopt;
  if (auto wrong = check_below(at->left_, previous, count)) return wrong;
  const auto page = [&] { return fmt::format("interval tree, at page {:#x}: ", at->first_); };
  if (previous != nullptr && !before(*previous, *at)) return page() + "out of order";
  previous = at;
  ++count;
  if (auto wrong = check_below(at->right_, previous, count)) return wrong;
  VmaInterval expected;
  expected.last_ = at->last_;
  expected.left_ = at->left_;
  expected.right_ = at->right_;
  sum(expected);
  const bool same = expected.height_ == at->height_ && expected.highest_ == at->highest_;
  expected.height_ = 0;
  if (!same) return page() + "sums are wrong";
  if (std::abs(height(at->left_) - height(at->right_)) > 1) return page() + "out of balance";
  const Vma& vma = *at->vma_;
  if (at->first_ != vma.pgoff.raw() || at->last_ != vma.pgoff.raw() + vma.pages() - 1)
    return page() + "the VMA moved and was not filed again";
  return std::nullopt;
}

std::optional<std::string> VmaIntervalTree::check_invariants() const {
  const VmaInterval* previous = nullptr;
  std::size_t count = 0;
  if (auto wrong = check_below(root_, previous, count)) return wrong;
  if (count != size_) return fmt::format("interval tree: {} entries, {} counted", count, size_);
  return std::nullopt;
}

}  // namespace faultline::mmu
