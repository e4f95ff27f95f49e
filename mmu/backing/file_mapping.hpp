// The cached pages of one file (Linux struct address_space): guest frames filled from a
// BackingFile on demand, shared by every mapping of the file in every address space.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>

#include "mmu/backing/readahead.hpp"
#include "mmu/backing/vma_interval_tree.hpp"
#include "mmu/phys/frame_allocator.hpp"
#include "mmu/ports/backing_file.hpp"

namespace faultline::mmu {

class FileMapping {
 public:
  FileMapping(FrameAllocator& frames, std::unique_ptr<BackingFile> file) : frames_(frames), file_(std::move(file)) {}
  ~FileMapping();  // frames must be unmapped; dirty ones should have been written back
  FileMapping(const FileMapping&) = delete;
  FileMapping& operator=(const FileMapping&) = delete;

  [[nodiscard]] BackingFile& file() const { return *file_; }
  [[nodiscard]] FileKind kind() const { return file_->kind(); }
  // Pages that the file has, the last partial one included.
  [[nodiscard]] std::uint64_t size_in_pages() const { return page_align(file_->size()) >> kPageShift; }

  [[nodiscard]] std::optional<Gfn> find(Pgoff page) const;

  struct Fetched {
    Gfn frame;
    bool major = false;   // it was not in memory
    bool waited = false;  // Linux drops the lock over it, without I/O of its own
  };
  // The frame of a page, read from the file if need be, with as much around it as Linux would read
  // (filemap_fault). Errors: EFAULT beyond the end (SIGBUS), ENOMEM, or the file's own.
  SysResult<Fetched> fetch(const ReadaheadRequest& request);
  SysResult<Fetched> fetch(Pgoff page) { return fetch({.page = page, .random = true}); }
  // Caches what the host has in memory of [first, first + count), without I/O (what
  // filemap_map_pages would find cached). Failure to do so is no error.
  void fetch_cached(Pgoff first, std::uint64_t count);

  // A fault on the page is to read the next window: fault-around leaves it alone.
  [[nodiscard]] bool marked(Pgoff page) const { return marks_.contains(page); }
  // Pages that were mapped around a fault.
  void mapped_around(std::uint64_t pages) { readahead_hits(readahead_, pages); }

  void mark_dirty(Pgoff page);
  // Writes dirty pages in [first, last] back and marks them clean. The caller has gathered
  // Dirty from the page tables before. First error wins, all pages are tried. What was stored
  // behind the end of a disk's file is zero afterwards.
  SysResult<void> write_back(Pgoff first, Pgoff last);
  // Copies bytes that a system call wrote to the file into the cached pages that hold them.
  void update_cached(std::uint64_t offset, std::span<const std::byte> bytes);
  // Drops cached pages from `first` on, and zeroes the tail of the last kept page
  // (truncate_inode_pages). The pages must be unmapped.
  void truncate(std::uint64_t new_size);

  // Every VMA of every address space that maps the file (Linux address_space->i_mmap). VmaSet
  // files them.
  [[nodiscard]] VmaIntervalTree& mappings() { return mappings_; }
  [[nodiscard]] const VmaIntervalTree& mappings() const { return mappings_; }

  // Drops the page if nobody but the cache holds it and it is clean (what reclaim does with it).
  bool evict(Pgoff page);
  // Makes pages [first, last] a hole in the file and drops them. They must be unmapped, private
  // copies aside. Errors: the file's.
  SysResult<void> punch_hole(Pgoff first, Pgoff last);

  [[nodiscard]] std::size_t cached_pages() const { return pages_.size(); }
  // Cached pages by offset, for the invariant checker.
  [[nodiscard]] const std::map<Pgoff, Gfn>& pages() const { return pages_; }

 private:
  void insert(Pgoff page, Gfn frame);
  void clear_behind_end(Pgoff page, Gfn frame);
  std::uint64_t fetch_cached_run(Pgoff first, std::uint64_t count);
  SysResult<Fetched> read_into(Gfn frame, const ReadaheadRequest& request);
  bool met_mark(const ReadaheadRequest& request);
  void read_ahead(const ReadaheadWindow& window);
  [[nodiscard]] bool any_in_memory(std::uint64_t first, std::uint64_t end) const;
  [[nodiscard]] Pgoff next_missing(Pgoff from, std::uint64_t most) const;
  void forget(Pgoff first, Pgoff last);

  FrameAllocator& frames_;
  std::unique_ptr<BackingFile> file_;
  std::map<Pgoff, Gfn> pages_;  // one reference on each
  VmaIntervalTree mappings_;
  ReadaheadState readahead_;
  std::set<Pgoff> marks_;  // Linux PG_readahead
};

// All file mappings by inode.
class PageCache {
 public:
  explicit PageCache(FrameAllocator& frames) : frames_(frames) {}
  // The mapping of the inode behind `file`; `file` is dropped when one exists already.
  std::shared_ptr<FileMapping> open(std::unique_ptr<BackingFile> file);
  // A mapping if the inode is mapped now (or was and its pages are still cached).
  [[nodiscard]] std::shared_ptr<FileMapping> find(FileId id) const;
  // A new mapping of zero-filled memory of `bytes` bytes (shared anonymous memory).
  std::shared_ptr<FileMapping> create_anonymous(std::uint64_t bytes);
  // Writes back everything; the first error wins.
  SysResult<void> write_back_all();
  [[nodiscard]] const std::map<FileId, std::shared_ptr<FileMapping>>& mappings() const { return mappings_; }

 private:
  FrameAllocator& frames_;
  std::map<FileId, std::shared_ptr<FileMapping>> mappings_;
  std::uint64_t next_anonymous_ = 1;
};

}  // namespace faultline::mmu
