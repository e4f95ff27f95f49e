// What stands behind a file mapping. Implemented by vmm/linux_abi over host descriptors, by
// mmu's own ZeroFile for shared anonymous memory, and by tests.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "mmu/base/address.hpp"
#include "mmu/base/result.hpp"

namespace faultline::mmu {

// Identity of the inode behind a file: equal identities share one page cache.
struct FileId {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  auto operator<=>(const FileId&) const = default;
};

enum class FileKind : std::uint8_t {
  kRegular,  // clean pages of a shared mapping are write-protected (page_mkwrite, dirty accounting)
  kShmem,    // tmpfs, memfd, shared anonymous: no page_mkwrite
};

enum class ReadWait : std::uint8_t {
  kMayBlock,    // get the bytes, do I/O if need be
  kCachedOnly,  // only what the host has in memory; a hole of a kShmem file is not in memory
};

enum class FileAdvice : std::uint8_t {
  kWillneed,  // soon: read ahead
  kDropped,   // the guest dropped its copy: so may the host
};

struct ReadPages {
  std::size_t bytes = 0;  // whole or partial last page; the rest of the buffers is zeroed
  bool did_io = false;    // the host had to fetch from the device, or to wait for it
};

class BackingFile {
 public:
  virtual ~BackingFile() = default;
  [[nodiscard]] virtual FileId id() const = 0;
  [[nodiscard]] virtual FileKind kind() const = 0;
  // Current size in bytes. Pages wholly beyond it fault with SIGBUS.
  [[nodiscard]] virtual std::uint64_t size() const = 0;
  // Fills consecutive pages from `first` into `pages` (4096 bytes each). With kCachedOnly it
  // may fill fewer (bytes tells). Errors: EIO and friends, which fault as SIGBUS.
  virtual SysResult<ReadPages> read_pages(Pgoff first, std::span<const std::span<std::byte, kPageSize>> pages,
                                          ReadWait wait) = 0;
  // How many of [first, first + count) the host has in memory, or is reading. Nothing: it does not
  // tell; then a read that did I/O makes a fault major, and nothing is read ahead.
  [[nodiscard]] virtual std::optional<std::uint64_t> pages_in_memory(Pgoff, std::uint64_t) const {
    return std::nullopt;
  }
  // Pages that are read ahead at once, at most (Linux ra_pages).
  [[nodiscard]] virtual std::uint64_t readahead_pages() const { return kDefaultReadahead; }
  static constexpr std::uint64_t kDefaultReadahead = 32;  // 128 KiB
  // A clean page of a shared mapping is about to be written (vm_ops->page_mkwrite): the place to
  // find room for it and to touch the file's times. Errors (ENOSPC and friends) fault as SIGBUS.
  // Not asked for kShmem.
  virtual SysResult<void> page_mkwrite(Pgoff) { return {}; }
  // Makes [first, first + count) a hole (fallocate, FALLOC_FL_PUNCH_HOLE).
  virtual SysResult<void> punch_hole(Pgoff, std::uint64_t) { return sys_error(EOPNOTSUPP); }
  // What the guest advises about pages of the file; to be heeded or not.
  virtual void advise(FileAdvice, Pgoff, std::uint64_t) {}
  // Writes one page back, not beyond size().
  virtual SysResult<void> write_page(Pgoff page, std::span<const std::byte, kPageSize> bytes) = 0;
};

}  // namespace faultline::mmu
