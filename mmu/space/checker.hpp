// Invariants over whole address spaces and the memory under them; may be called after any
// operation, and is always on in debug builds at the end of a run.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "mmu/space/address_space.hpp"

namespace faultline::mmu {

// The first contradiction found, or nothing: VMA order; every leaf inside a VMA with allowed
// rights; frames' map counts equal to the leaves that map them; no frame both free and mapped;
// table count equal to the tables linked; RSS equal to the leaves; free lists. Reverse maps: the
// walk back from every frame finds each entry that maps it, and no other; anon_vma trees and
// file mappings know the VMAs that there are, and their counts are right.
// `spaces` are all address spaces that use env's frames.
std::optional<std::string> check_invariants(const MmuEnv& env, std::span<const AddressSpace* const> spaces);

}  // namespace faultline::mmu
