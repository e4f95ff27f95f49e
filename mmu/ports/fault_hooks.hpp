// What may come between a fault and its completion: contended locks, signals, a handler that
// must wait (userfaultfd, I/O without the lock), another CPU that changes the entry. Tests
// inject them; the caller of a guest with several threads implements them. Without hooks none
// of it happens, and asking costs one test of a pointer.
#pragma once

#include <cstdint>

#include "mmu/base/address.hpp"
#include "mmu/fault/fault_flags.hpp"
#include "mmu/fault/vm_fault.hpp"

namespace faultline::mmu {

class AddressSpace;
class PteSlot;
struct Vma;

class FaultHooks {
 public:
  virtual ~FaultHooks() = default;
  // lock_vma_under_rcu: false sends the fault to the mmap lock.
  virtual bool try_vma_lock(AddressSpace&, const Vma&) { return true; }
  // The first half of get_mmap_lock_carefully: false when the mmap lock is not to be had at once.
  virtual bool try_mmap_lock(AddressSpace&) { return true; }
  // lock_mm_and_find_vma: false when a fatal signal came while waiting for the mmap lock.
  virtual bool mmap_lock_killable(AddressSpace&) { return true; }
  // At the start of handle_mm_fault. Bits other than none end the attempt with them; RETRY is
  // heeded only while `flags` allow it.
  virtual VmFault attempt(AddressSpace&, Gva, FaultFlags) { return {}; }
  // The entry was read and the decision made; the lock of its table is taken next. May change
  // the entry, as another CPU would.
  virtual void before_lock(AddressSpace&, Gva, PteSlot) {}
  // migration_entry_wait: returns when the page may have arrived.
  virtual void migration_wait(AddressSpace&, Gva, PteSlot) {}
  // A signal that ends the process, and any signal at all.
  virtual bool fatal_signal_pending() { return false; }
  virtual bool signal_pending() { return fatal_signal_pending(); }
};

}  // namespace faultline::mmu
