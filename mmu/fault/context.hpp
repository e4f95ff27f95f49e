// What the handlers of one fault share (Linux struct vm_fault).
#pragma once

#include "mmu/fault/fault.hpp"
#include "mmu/fault/vm_fault.hpp"
#include "mmu/pgtable/editor.hpp"
#include "mmu/space/mapcount.hpp"

namespace faultline::mmu {

enum class HookPoint : std::uint8_t;

// One fault from its request to its outcome, over all attempts.
struct FaultRun {
  AddressSpace& mm;
  const FaultRequest& request;
  EditLog* log;
  FaultOutcome& outcome;

  [[nodiscard]] bool user_mode() const { return request.origin == FaultOrigin::kUser; }
  // A hook took it: the fault is over. mmu/kernel.
  bool handled_by(HookPoint point, FaultStep step);
  // This VMA decides; `how` it was found.
  void found(const Vma& vma, FaultStep how) {
    outcome.path.add(how);
    outcome.vma_start = vma.start;
    outcome.vma_end = vma.end;
    outcome.vma_flags = vma.flags;
  }
  // Nothing more is tried: `step` decided.
  void end(FaultStep step, FaultResult result) {
    outcome.path.add(step);
    outcome.result = result;
  }
};

struct FaultContext {
  AddressSpace& mm;
  Vma& vma;
  Gva address;  // of the page
  FaultFlags flags;
  PteSlot slot;  // level 1
  Pte entry;     // as loaded before the decision
  TlbGather& gather;
  FaultPath& path;
  bool new_table = false;  // this fault brought the table: Linux does not have it before it has a page for it

  [[nodiscard]] bool write() const { return flags.has(FaultFlags::kWrite); }
  [[nodiscard]] bool unshare() const { return flags.has(FaultFlags::kUnshare); }
  [[nodiscard]] PtEditor editor() const { return PtEditor(gather); }
  [[nodiscard]] EditLog* log() const { return gather.log(); }
  // The place where Linux takes the lock of the table and looks again (vmf_pte_changed). False,
  // and in the path, when the entry is not what the decision was made on: somebody else was
  // faster, the access is made again.
  [[nodiscard]] bool entry_unchanged() {
    if (mm.fault_hooks != nullptr) mm.fault_hooks->before_lock(mm, address, slot);
    if (slot.load() == entry) return true;
    path.add(FaultStep::kRaced);
    return false;
  }
  // Linux check_stable_address_space: SIGBUS where new anonymous pages would hide lost ones.
  [[nodiscard]] VmFault check_stable() {
    if (!mm.unstable) return {};
    path.add(FaultStep::kUnstable);
    return VmFault::kSigbus;
  }
  // The protection of a fresh page of our own: writable where the VMA is (maybe_mkwrite), dirty.
  [[nodiscard]] std::uint64_t own_page_prot() const {
    return vma.page_prot() | Pte::kDirty | (vma.flags.has(VmFlags::kWrite) ? Pte::kWrite : 0);
  }
};

// Linux handle_mm_fault, counting included.
VmFault handle_mm_fault(FaultRun& run, Vma& vma, FaultFlags flags);

// One file each.
VmFault handle_pte_fault(FaultContext& f);
VmFault do_anonymous_page(FaultContext& f);
VmFault do_fault(FaultContext& f);       // file mappings: read, private write, shared write
VmFault do_wp_page(FaultContext& f);     // write to a present, write-protected entry; unshare
VmFault do_numa_page(FaultContext& f);   // PROT_NONE entry of an accessible VMA
VmFault do_nonpresent(FaultContext& f);  // Linux do_swap_page: migration, markers
// Maps cached neighbours of a read fault (Linux do_fault_around, filemap_map_pages). True when
// the page itself got mapped.
bool do_fault_around(FaultContext& f);
// Tells the file that a page of a shared mapping is about to be written (Linux do_page_mkwrite,
// fault_dirty_shared_page). NOPAGE when the file lost the page meanwhile.
VmFault do_page_mkwrite(FaultContext& f);

// The ladders (Linux do_user_addr_fault, do_kern_addr_fault, faultin_page).
void do_user_addr_fault(FaultRun& run);
void do_kern_addr_fault(FaultRun& run);  // mmu/kernel
void do_gup_fault(FaultRun& run);
// Linux bad_area_nosemaphore and kernelmode_fixup_or_oops: a signal to user code; the kernel goes
// on at its fixup, or dies.
void bad_area_nosemaphore(FaultRun& run, FaultResult signal);
// Linux arch_vma_access_permitted: do the protection keys of this CPU allow the access?
[[nodiscard]] bool keys_permit(const AddressSpace& mm, const FaultRequest& request, VmFlags flags);

// A frame for an anonymous page of this VMA, one reference, or nothing (OOM, in the path).
std::optional<Gfn> new_anonymous_frame(FaultContext& f, Zeroing zeroing);

}  // namespace faultline::mmu
