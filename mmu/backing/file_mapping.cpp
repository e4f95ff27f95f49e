#include "mmu/backing/file_mapping.hpp"

#include <algorithm>
#include <cstring>
#include <vector>

namespace faultline::mmu {

FileMapping::~FileMapping() {
  for (const auto& [page, frame] : pages_) frames_.put(frame);
}

std::optional<Gfn> FileMapping::find(Pgoff page) const {
  const auto it = pages_.find(page);
  if (it == pages_.end()) return std::nullopt;
  return it->second;
}

void FileMapping::insert(Pgoff page, Gfn frame) {
  Frame& f = frames_.at(frame);
  f.set_mapping(this);
  f.index = page.raw();
  pages_.emplace(page, frame);
}

SysResult<FileMapping::Fetched> FileMapping::fetch(const ReadaheadRequest& request) {
  const Pgoff page = request.page;
  if (page.raw() >= size_in_pages()) return sys_error(EFAULT);
  if (const auto cached = find(page)) return Fetched{.frame = *cached, .waited = met_mark(request)};
  const std::optional<Gfn> frame = frames_.allocate(FrameKind::kFile, Zeroing::kNotNeeded);
  if (!frame) return sys_error(ENOMEM);
  const auto fetched = read_into(*frame, request);
  if (!fetched) {
    frames_.put(*frame);
    return fetched;
  }
  insert(page, *frame);
  return fetched;
}

SysResult<FileMapping::Fetched> FileMapping::read_into(Gfn frame, const ReadaheadRequest& request) {
  const std::span<std::byte, kPageSize> bytes = frames_.memory().page(frame);
  const auto held = kind() == FileKind::kRegular ? file_->pages_in_memory(request.page, 1) : std::nullopt;
  const bool missing = held && *held == 0;
  Fetched fetched{.frame = frame, .major = missing};
  if (missing) {
    marks_.erase(request.page);
    read_ahead(sync_readahead(readahead_, request, file_->readahead_pages()));
  } else {
    fetched.waited = met_mark(request);
  }
  const auto read = file_->read_pages(request.page, std::span(&bytes, 1), ReadWait::kMayBlock);
  if (!read) return tl::unexpected(read.error());
  if (!missing) (held ? fetched.waited : fetched.major) |= read->did_io;
  return fetched;
}

void FileMapping::fetch_cached(Pgoff first, std::uint64_t count) {
  const std::uint64_t end = std::min(first.raw() + count, size_in_pages());
  for (std::uint64_t at = first.raw(); at < end;) {
    std::uint64_t run = at;
    while (run < end && !pages_.contains(Pgoff(run))) ++run;
    // The page that a short read stopped at is not in memory: go on behind it.
    at += run == at ? 1 : std::min(fetch_cached_run(Pgoff(at), run - at) + 1, run - at);
  }
}

// Reads a run of pages that are not cached here. Returns how many the host had in memory, from
// the first on.
std::uint64_t FileMapping::fetch_cached_run(Pgoff first, std::uint64_t count) {
  std::vector<Gfn> frames;
  std::vector<std::span<std::byte, kPageSize>> buffers;
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::optional<Gfn> frame = frames_.allocate(FrameKind::kFile, Zeroing::kNotNeeded);
    if (!frame) break;
    frames.push_back(*frame);
    buffers.push_back(frames_.memory().page(*frame));
  }
  std::uint64_t filled = 0;
  if (!frames.empty()) {
    if (const auto read = file_->read_pages(first, buffers, ReadWait::kCachedOnly)) {
      const std::uint64_t wanted = file_->size() - std::min(file_->size(), first.raw() * kPageSize);
      // A partial page counts when the file ends in it.
      filled = read->bytes >= wanted ? page_align(read->bytes) >> kPageShift : read->bytes >> kPageShift;
      filled = std::min<std::uint64_t>(filled, frames.size());
    }
  }
  for (std::uint64_t i = 0; i < frames.size(); ++i) {
    if (i < filled) {
      insert(first + i, frames[i]);
    } else {
      frames_.put(frames[i]);
    }
  }
  return filled;
}

// Drops [first, last] from the cache.
void FileMapping::forget(Pgoff first, Pgoff last) {
  const auto from = pages_.lower_bound(first), end = pages_.upper_bound(last);
  for (auto it = from; it != end; ++it) frames_.put(it->second);
  pages_.erase(from, end);
  marks_.erase(marks_.lower_bound(first), marks_.upper_bound(last));
}

void FileMapping::mark_dirty(Pgoff page) {
  if (const auto frame = find(page)) frames_.at(*frame).dirty = true;
}

// A disk's file system writes zeroes behind the end of the file, and has them in memory from then
// on (folio_zero_segment in its writepages). What is in memory alone keeps what was stored there.
void FileMapping::clear_behind_end(Pgoff page, Gfn frame) {
  if (kind() != FileKind::kRegular) return;
  const std::uint64_t size = file_->size(), used = size - std::min(size, page.raw() * kPageSize);
  if (used < kPageSize) std::memset(frames_.memory().page(frame).data() + used, 0, kPageSize - used);
}

SysResult<void> FileMapping::write_back(Pgoff first, Pgoff last) {
  SysResult<void> result;
  const auto end = pages_.upper_bound(last);
  for (auto it = pages_.lower_bound(first); it != end; ++it) {
    Frame& f = frames_.at(it->second);
    if (!f.dirty) continue;
    clear_behind_end(it->first, it->second);
    const auto written = file_->write_page(it->first, frames_.memory().page(it->second));
    if (written) {
      f.dirty = false;
    } else if (result) {
      result = written;
    }
  }
  return result;
}

void FileMapping::update_cached(std::uint64_t offset, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const std::uint64_t in_page = offset & kPageMask;
    const std::size_t n = std::min<std::size_t>(kPageSize - in_page, bytes.size());
    if (const auto frame = find(Pgoff(offset >> kPageShift)))
      std::memcpy(frames_.memory().page(*frame).data() + in_page, bytes.data(), n);
    offset += n;
    bytes = bytes.subspan(n);
  }
}

bool FileMapping::evict(Pgoff page) {
  const auto it = pages_.find(page);
  if (it == pages_.end()) return false;
  const Frame& f = frames_.at(it->second);
  if (f.dirty || f.refcount.load(std::memory_order_relaxed) != 1) return false;
  forget(page, page);
  file_->advise(FileAdvice::kDropped, page, 1);
  return true;
}

SysResult<void> FileMapping::punch_hole(Pgoff first, Pgoff last) {
  if (auto punched = file_->punch_hole(first, last.raw() - first.raw() + 1); !punched) return punched;
  forget(first, last);
  return {};
}

void FileMapping::truncate(std::uint64_t new_size) {
  const Pgoff first_gone(page_align(new_size) >> kPageShift);
  forget(first_gone, Pgoff(~0ULL));
  const std::uint64_t tail = new_size & kPageMask;
  if (tail == 0) return;
  if (const auto frame = find(Pgoff(new_size >> kPageShift)))
    std::memset(frames_.memory().page(*frame).data() + tail, 0, kPageSize - tail);
}

}  // namespace faultline::mmu
