// How much of a file comes into memory with a page that a fault misses. Follows Linux 6.18:
// do_sync_mmap_readahead, do_async_mmap_readahead (mm/filemap.c), page_cache_sync_ra and
// page_cache_async_ra (mm/readahead.c). It decides; reading is a FileMapping's.
//
// What is not followed: the folios of several pages that Linux makes of a stream, and where read(2)
// was last (prev_pos), because the host does the reading for that call.
#pragma once

#include <cstdint>
#include <functional>

#include "mmu/base/address.hpp"

namespace faultline::mmu {

// What is remembered of a file's faults (Linux struct file_ra_state). Linux has one for each open
// file, here it is one for each inode.
struct ReadaheadState {
  std::uint64_t start = 0, size = 0, async_size = 0;  // the last window, pages
  unsigned order = 0;                                 // how often a stream went on, times two
  unsigned misses = 0;                                // mmap_miss: faults without the page, less those with
  bool operator==(const ReadaheadState&) const = default;
};

// A fault's page, and what its mapping says of the pages around it.
struct ReadaheadRequest {
  Pgoff page;
  Pgoff area_first{0}, area_end{0};  // what the VMA shows of the file
  bool random = false;               // MADV_RANDOM
  bool sequential = false;           // MADV_SEQUENTIAL
  bool executable = false;           // since 6.17 read from the page on, up to the VMA's end
  bool huge = false;                 // MADV_HUGEPAGE
};

// Pages to be read, as far as the file goes and they are not in memory. The one `async_size` before
// the window's end gets a mark, if it is read now: a fault on it reads the next window.
struct ReadaheadWindow {
  std::uint64_t first = 0, count = 0;  // count 0: none
  std::uint64_t async_size = 0;        // 0: no mark
  bool operator==(const ReadaheadWindow&) const = default;
};

// The page is not in memory. No window: it is read alone. `most`: pages that the file's device
// reads ahead at once (Linux ra_pages).
ReadaheadWindow sync_readahead(ReadaheadState& state, const ReadaheadRequest& request, std::uint64_t most);
// The page is in memory and has a mark. `next_miss(page, n)`: the first page from `page` on that is
// not in memory, at most n pages further.
ReadaheadWindow async_readahead(ReadaheadState& state, Pgoff page, std::uint64_t most,
                                const std::function<Pgoff(Pgoff, std::uint64_t)>& next_miss);
// Faults met `pages` that were in memory.
void readahead_hits(ReadaheadState& state, std::uint64_t pages);

}  // namespace faultline::mmu
