// Taking pages out of an address space (Linux zap_page_range, unmap_page_range).
#pragma once

#include "mmu/pgtable/gather.hpp"
#include "mmu/space/address_space.hpp"

namespace faultline::mmu {

// What becomes of markers (guard regions, poison): they go with the VMA, and outlive its pages
// (Linux ZAP_FLAG_DROP_MARKER).
enum class ZapMarkers : std::uint8_t { kDrop, kKeep };

// Clears every level-1 entry of `vma` in [start, end), counts down RSS and map counts, moves
// Dirty to file frames, and retires the frames with `gather`. Tables stay.
void zap_range(AddressSpace& mm, const Vma& vma, Gva start, Gva end, TlbGather& gather,
               ZapMarkers markers = ZapMarkers::kDrop);

// The same for one entry of any kind.
void zap_entry(AddressSpace& mm, PteSlot slot, Gva va, TlbGather& gather);

// Unmaps pages [first, last] of `file` from every address space: what truncation and hole
// punching do to mappings (unmap_mapping_range). The caller holds the lock of all of them.
enum class PrivateCopies : std::uint8_t { kKeep, kZapToo };
void unmap_file_range(FileMapping& file, Pgoff first, Pgoff last, PrivateCopies copies);

// Collects Dirty of all shared mappings of pages [first, last] into the file's frames, and
// write-protects the entries where the file counts dirty pages, so that the next write faults
// again (folio_mkclean). Called before write-back; the lock is as above.
void collect_dirty(FileMapping& file, Pgoff first, Pgoff last);

}  // namespace faultline::mmu
