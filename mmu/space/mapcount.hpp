// One leaf more or less maps a frame: its map count and the address space's RSS move together.
// References are the caller's business.
#pragma once

#include "mmu/space/address_space.hpp"

namespace faultline::mmu {

inline RssKind rss_kind(const Frame& frame) {
  const FileMapping* mapping = frame.mapping();
  if (mapping == nullptr) return RssKind::kAnon;
  return mapping->kind() == FileKind::kShmem ? RssKind::kShmem : RssKind::kFile;
}

inline void count_mapped(AddressSpace& mm, Gfn frame) {
  Frame& f = mm.frames().at(frame);
  f.mapcount.fetch_add(1, std::memory_order_relaxed);
  mm.rss.add(rss_kind(f), 1);
}

// The first mapping of a frame that nobody else knows yet (Linux folio_add_new_anon_rmap): no
// locked instruction.
inline void count_first_mapping(AddressSpace& mm, Gfn frame) {
  Frame& f = mm.frames().at(frame);
  f.mapcount.store(1, std::memory_order_relaxed);
  mm.rss.add(rss_kind(f), 1);
}

inline void count_unmapped(AddressSpace& mm, Gfn frame) {
  Frame& f = mm.frames().at(frame);
  FL_CHECK(f.mapcount.fetch_sub(1, std::memory_order_relaxed) > 0);
  mm.rss.add(rss_kind(f), -1);
}

}  // namespace faultline::mmu
