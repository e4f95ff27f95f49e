// Keeps what a guest sees through read()/write() and through its mappings of the same file
// one. The host has its page cache, the guest's mappings have ours (mmu::PageCache): a write
// call updates ours, a read call writes ours back first, truncation drops pages from both.
#pragma once

#include <memory>

#include "mmu/space/address_space.hpp"
#include "vmm/linux_abi/file_table.hpp"

namespace faultline::vmm::linux_abi {

class FileCoherence {
 public:
  // `cache` outlives this. Mappings of a file are found from the file, in whatever address space.
  explicit FileCoherence(mmu::PageCache& cache) : cache_(&cache) {}

  // The page-cache mapping for `file`, made if need be; `for_writing` when the guest may
  // write through it. ENODEV for what cannot be mapped, EACCES for what cannot be read.
  SysResult<std::shared_ptr<mmu::FileMapping>> mapping_of(const OpenFile& file, bool for_writing);

  // Before a call reads bytes [offset, offset + length) of the host file.
  void before_read(const OpenFile& file, std::uint64_t offset, std::uint64_t length);
  // Before a call that may make the file longer or shorter: what the two below want to know. 0 for
  // what is not cached.
  [[nodiscard]] std::uint64_t size_before(const OpenFile& file) const;
  // After a call changed bytes [offset, offset + length) of the host file, which had `before`
  // bytes: cached pages are brought up to date.
  void after_write(const OpenFile& file, std::uint64_t before, std::uint64_t offset, std::uint64_t length);
  // After the file's size was set; it had `before` bytes. Pages behind the new end go. Where the
  // file grew, what was stored behind the old end in its last page is part of the file now: a
  // disk's file system zeroes it, a file in memory keeps it.
  void after_resize(const OpenFile& file, std::uint64_t before);
  // After everything from `offset` on was moved.
  void after_move(const OpenFile& file, std::uint64_t before, std::uint64_t offset);
  // After the host file got a hole there: whole pages go from every mapping, private copies
  // aside, and the rest of the range is brought up to date (truncate_pagecache_range).
  void after_hole(const OpenFile& file, std::uint64_t offset, std::uint64_t length);
  // After advice that [offset, offset + length) is not needed (length 0: all from `offset` on): whole
  // pages that are clean and mapped nowhere leave the cache (invalidate_mapping_pages).
  void after_dropped(const OpenFile& file, std::uint64_t offset, std::uint64_t length);
  // True when the guest maps the inode, or did: its pages are cached.
  [[nodiscard]] bool cached(const OpenFile& file) const { return find(file) != nullptr; }
  // fsync, and the end of the task.
  SysResult<void> write_back(const OpenFile& file);
  SysResult<void> write_back_all();

 private:
  [[nodiscard]] std::shared_ptr<mmu::FileMapping> find(const OpenFile& file) const;
  static void read_again(mmu::FileMapping& mapping, std::uint64_t offset, std::uint64_t length);
  mmu::PageCache* cache_;
};

}  // namespace faultline::vmm::linux_abi
