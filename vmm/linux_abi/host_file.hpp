// A host file as the backing of guest mappings (mmu::BackingFile over a descriptor).
#pragma once

#include <memory>
#include <optional>

#include "mmu/ports/backing_file.hpp"
#include "vmm/host/handles.hpp"

namespace faultline::vmm::linux_abi {

class HostFile final : public mmu::BackingFile {
 public:
  // A file object over its own duplicate of `host_fd`, opened for reading. EBADF and friends.
  static SysResult<std::unique_ptr<HostFile>> create(int host_fd, bool writable);

  [[nodiscard]] mmu::FileId id() const override { return id_; }
  [[nodiscard]] mmu::FileKind kind() const override { return kind_; }
  [[nodiscard]] std::uint64_t size() const override;
  // preadv2(RWF_NOWAIT) first: what it gives was in the host's page cache and is no I/O. tmpfs
  // does not know that flag; there SEEK_DATA tells pages from holes, and nothing is I/O.
  SysResult<mmu::ReadPages> read_pages(Pgoff first, std::span<const std::span<std::byte, kPageSize>> pages,
                                       mmu::ReadWait wait) override;
  // By cachestat; nothing where the kernel is older than it.
  [[nodiscard]] std::optional<std::uint64_t> pages_in_memory(Pgoff first, std::uint64_t count) const override;
  // Looked up when it is asked for first.
  [[nodiscard]] std::uint64_t readahead_pages() const override;
  // Touches the file's times, as a write through a mapping does natively.
  SysResult<void> page_mkwrite(Pgoff page) override;
  SysResult<void> punch_hole(Pgoff first, std::uint64_t count) override;
  void advise(mmu::FileAdvice advice, Pgoff first, std::uint64_t count) override;
  SysResult<void> write_page(Pgoff page, std::span<const std::byte, kPageSize> bytes) override;

  // Bytes as the host has them now, from `offset`; how many there are (0: end, or an error).
  std::size_t read_bytes(std::uint64_t offset, std::span<std::byte> to) const;
  // The inode was opened again, this time for writing: write-back uses that descriptor.
  SysResult<void> make_writable(int host_fd);
  [[nodiscard]] bool writable() const { return writable_; }

 private:
  HostFile(FileDescriptor fd, bool writable, mmu::FileId id, mmu::FileKind kind)
      : fd_(std::move(fd)), writable_(writable), id_(id), kind_(kind) {}
  std::uint64_t bytes_in_memory(std::uint64_t offset, std::uint64_t want);

  FileDescriptor fd_;
  FileDescriptor extents_;  // kShmem: a file object of its own, whose position is nobody else's
  bool writable_;
  mmu::FileId id_;
  mmu::FileKind kind_;
  mutable std::optional<std::uint64_t> readahead_;  // pages
};

}  // namespace faultline::vmm::linux_abi
