// A second address space with the same content (Linux dup_mmap, copy_page_range).
#pragma once

#include <memory>

#include "mmu/space/address_space.hpp"

namespace faultline::mmu {

// The child of `parent`: the same VMAs but those advised DONTFORK, WIPEONFORK ones empty, none
// locked; private pages shared and write-protected on both sides until one of them writes. What
// a fault can bring back (pages of the file alone, shared memory) is not copied. Limits, break
// and mmap_base are the parent's, fault counters start at zero, there is no observer.
//
// ENOMEM: no frame for a table, the commit limit, or too much host memory for VMAs. The parent is as it was, but for
// private pages that its next write finds write-protected, and nothing is leaked. The caller holds the parent's lock
// exclusively and the memory lock.
SysResult<std::shared_ptr<AddressSpace>> fork_address_space(AddressSpace& parent);

}  // namespace faultline::mmu
