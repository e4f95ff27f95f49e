// What the handlers of one fault share (Linux struct vm_fault).
#pragma once

#include "mmu/fault/fault.hpp"
#include "mmu/fault/vm_fault.hpp"
#include "mmu/pgtable/editor.hpp"
#include "mmu/space/mapcount.hpp"

namespace faultline::mmu {

struct FaultContext {
  AddressSpace& mm;
  Vma& vma;
  Gva address;  // of the page
  bool write;
  PteSlot slot;  // level 1
  Pte entry;     // as loaded before the decision
  TlbGather& gather;
  FaultPath& path;

  [[nodiscard]] PtEditor editor() const { return PtEditor(gather); }
  [[nodiscard]] EditLog* log() const { return gather.log(); }
};

// One file each.
VmFault do_anonymous_page(FaultContext& f);
VmFault do_fault(FaultContext& f);    // file mappings: read, private write, shared write
VmFault do_wp_page(FaultContext& f);  // write to a present, write-protected entry
// Maps cached neighbours of a read fault (Linux do_fault_around, filemap_map_pages). True when
// the page itself got mapped.
bool do_fault_around(FaultContext& f);

// A frame for an anonymous page of this VMA, one reference, or nothing (OOM, in the path).
std::optional<Gfn> new_anonymous_frame(FaultContext& f, Zeroing zeroing);

}  // namespace faultline::mmu
