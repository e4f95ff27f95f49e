// Fault hooks that do what a test wrote down.
#pragma once

#include <functional>
#include <vector>

#include "mmu/pgtable/slot.hpp"
#include "mmu/ports/fault_hooks.hpp"

namespace faultline::mmu {

struct ScriptedHooks final : FaultHooks {
  bool try_vma_lock(AddressSpace&, const Vma&) override { return vma_lock; }
  bool try_mmap_lock(AddressSpace&) override { return mmap_lock; }
  bool mmap_lock_killable(AddressSpace&) override { return mmap_lock; }
  VmFault attempt(AddressSpace&, Gva, FaultFlags flags) override {
    seen.push_back(flags);
    return seen.size() <= script.size() ? script[seen.size() - 1] : rest;
  }
  void before_lock(AddressSpace& mm, Gva at, PteSlot slot) override {
    if (on_lock) on_lock(mm, at, slot);
  }
  void migration_wait(AddressSpace& mm, Gva at, PteSlot slot) override {
    ++migration_waits;
    if (on_migration) on_migration(mm, at, slot);
  }
  bool fatal_signal_pending() override { return fatal; }
  bool signal_pending() override { return fatal || any_signal; }

  std::vector<VmFault> script;  // of the first attempts
  VmFault rest;                 // of all that follow
  std::vector<FaultFlags> seen;
  bool vma_lock = true, mmap_lock = true, fatal = false, any_signal = false;
  std::function<void(AddressSpace&, Gva, PteSlot)> on_lock, on_migration;
  int migration_waits = 0;
};

}  // namespace faultline::mmu
