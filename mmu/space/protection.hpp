// When an entry may get W without a fault (Linux can_change_pte_writable, mm/mprotect.c).
#pragma once

#include "mmu/space/address_space.hpp"

namespace faultline::mmu {

// May the entry get W at once, because a write fault would give it without looking further?
// A page of our own that nobody shares; or a dirty page of a shared file mapping, whose file
// system has been told already.
[[nodiscard]] inline bool can_change_pte_writable(const AddressSpace& mm, const Vma& vma, Pte entry) {
  if (!vma.flags.has(VmFlags::kWrite) || entry.special()) return false;
  if (vma.flags.has(VmFlags::kShared)) return entry.dirty();
  if (!mm.env().behaviour.mprotect_upgrades) return false;
  const Frame& frame = mm.frames().at(entry.frame());
  return frame.kind == FrameKind::kAnon && frame.anon_exclusive;
}

}  // namespace faultline::mmu
