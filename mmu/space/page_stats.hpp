// What a page looks like from outside, and the sums of it over a VMA: the figures behind
// /proc/PID/smaps, pagemap and PAGEMAP_SCAN. Reads tables and frames, changes neither (but
// clear_references()). The caller holds the address space's lock.
#pragma once

#include <cstdint>
#include <optional>

#include "mmu/space/address_space.hpp"

namespace faultline::mmu {

// One level-1 entry with what is known of the frame behind it.
struct PageView {
  bool present = false;    // P, or PROT_NONE with its page kept
  bool swapped = false;    // any other entry that is not zero, markers included (Linux is_swap_pte)
  bool on_swap = false;    // its bytes are on swap
  bool counted = false;    // there is a page of memory that smaps counts (vm_normal_page)
  bool guard = false;      // MADV_GUARD_INSTALL
  bool zero_page = false;  // present, maps the shared zero page: no page to count
  bool file = false;       // a page of a file or of shared memory
  bool shmem = false;
  bool lazy_free = false;  // MADV_FREE: may vanish
  bool accessed = false;
  bool dirty = false;          // in the entry or in the frame
  bool write_watched = false;  // userfaultfd write protection
  std::uint32_t mapcount = 0;  // of a present page
  Gfn frame;                   // of a page that is there
  std::uint64_t swap = 0;      // swapped: type and offset, as pagemap shows them
};
PageView view_page(const AddressSpace& mm, Pte entry);

// Bytes, as /proc/PID/smaps shows them; the Pss ones carry kPssShift fraction bits (Linux
// struct mem_size_stats, PSS_SHIFT).
struct PageStats {
  static constexpr unsigned kPssShift = 12;

  std::uint64_t resident = 0, referenced = 0, anonymous = 0, lazy_free = 0;
  std::uint64_t shared_clean = 0, shared_dirty = 0, private_clean = 0, private_dirty = 0;
  std::uint64_t swap = 0;
  std::uint64_t pss = 0, pss_dirty = 0, pss_anon = 0, pss_file = 0, pss_shmem = 0, pss_locked = 0, swap_pss = 0;

  PageStats& operator+=(const PageStats& other);
  bool operator==(const PageStats&) const = default;
};

// The sums over the VMA's pages (Linux smap_gather_stats, smaps_account).
PageStats gather_page_stats(const AddressSpace& mm, const Vma& vma);

// Which pages /proc/PID/clear_refs means: 1, 2 and 3 written there.
enum class ClearRefs : std::uint8_t { kAll, kAnonymous, kMapped };
// Clears Accessed of every page (Linux clear_refs_pte_range), and what translations cache of it.
void clear_references(AddressSpace& mm, ClearRefs which);

}  // namespace faultline::mmu
