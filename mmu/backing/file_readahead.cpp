// What a FileMapping reads ahead, and which page then has a mark.
#include <algorithm>

#include "mmu/backing/file_mapping.hpp"

namespace faultline::mmu {

bool FileMapping::any_in_memory(std::uint64_t first, std::uint64_t end) const {
  if (first >= end) return false;
  const auto cached = pages_.lower_bound(Pgoff(first));
  if (cached != pages_.end() && cached->first.raw() < end) return true;
  return file_->pages_in_memory(Pgoff(first), end - first).value_or(0) != 0;
}

Pgoff FileMapping::next_missing(Pgoff from, std::uint64_t most) const {
  std::uint64_t at = from.raw();
  while (at < from.raw() + most && any_in_memory(at, at + 1)) ++at;
  return Pgoff(at);
}

// Linux do_async_mmap_readahead. True: the lock was dropped over it.
bool FileMapping::met_mark(const ReadaheadRequest& request) {
  if (request.random) return false;
  readahead_hits(readahead_, 1);
  if (marks_.erase(request.page) == 0) return false;
  read_ahead(async_readahead(readahead_, request.page, file_->readahead_pages(),
                             [this](Pgoff from, std::uint64_t n) { return next_missing(from, n); }));
  return true;
}

// Linux page_cache_ra_order, which reads up to the first page that is there already, and
// do_page_cache_ra, which reads what is left. The latter counts the mark from where it ends, and
// that is the file's end if it comes first.
void FileMapping::read_ahead(const ReadaheadWindow& window) {
  const std::uint64_t end = std::min(window.first + window.count, size_in_pages());
  if (window.first >= end) return;
  if (window.async_size != 0) {
    const std::uint64_t mark = window.first + window.count - window.async_size;
    if (mark < end && !any_in_memory(window.first, mark + 1)) marks_.insert(Pgoff(mark));
    const std::uint64_t again = end - std::min(end, window.async_size);
    if (any_in_memory(window.first, again) && !any_in_memory(again, again + 1)) marks_.insert(Pgoff(again));
  }
  file_->advise(FileAdvice::kWillneed, Pgoff(window.first), end - window.first);
}

}  // namespace faultline::mmu
