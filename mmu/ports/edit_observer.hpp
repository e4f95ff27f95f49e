// Somebody who wants to know of every page-table entry that changes, in every address space: by
// faults, operations, fork, write-back and exit. Without one, nothing costs. What the CPU sets by
// itself (A and D) is not told.
#pragma once

#include "mmu/pgtable/edit_log.hpp"

namespace faultline::mmu {

class EditObserver {
 public:
  virtual ~EditObserver() = default;
  // After the change, in the tables whose top-level one is `root`.
  virtual void edited(Gfn root, const PteEdit& edit) = 0;
};

}  // namespace faultline::mmu
