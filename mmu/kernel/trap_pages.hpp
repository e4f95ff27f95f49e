// Pages of the kernel half that are hidden, so that every access to them faults, and shown for one
// instruction at a time: what kmmio and kmemcheck have in common.
#pragma once

#include <map>
#include <vector>

#include "mmu/kernel/kernel_tables.hpp"

namespace faultline::mmu {

class TrapPages {
 public:
  // `tables` must outlive this.
  explicit TrapPages(KernelTables& tables) : tables_(tables) {}
  // Shows all of them for good.
  ~TrapPages();
  TrapPages(const TrapPages&) = delete;
  TrapPages& operator=(const TrapPages&) = delete;

  // Hides the page of `va`. False when no 4 KiB page is mapped there, or it is hidden already.
  bool add(Gva va);
  // Shows it for good. False when it was not added.
  bool remove(Gva va);
  [[nodiscard]] bool contains(Gva va) const { return pages_.contains(va.page_base()); }

  // Shows the page of `va` until hide(). False when it is not one of ours, or is shown already and
  // so cannot be why the access faulted. One instruction may need several.
  bool show(Gva va);
  // The instruction is done: hides again what show() showed. False when that was nothing.
  bool hide();

 private:
  struct Page {
    Pte entry;  // while hidden
    bool shown = false;
  };
  bool take_away(Gva page, Page& state);
  void put_back(Gva page, Page& state);

  KernelTables& tables_;
  std::map<Gva, Page> pages_;
};

}  // namespace faultline::mmu
