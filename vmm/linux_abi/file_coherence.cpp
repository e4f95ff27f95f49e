#include "vmm/linux_abi/file_coherence.hpp"

#include <algorithm>
#include <vector>

#include "mmu/space/zap.hpp"
#include "vmm/linux_abi/host_file.hpp"

namespace faultline::vmm::linux_abi {
namespace {

constexpr std::uint64_t kChunk = 64 * 1024;
constexpr Pgoff kLastPage = Pgoff(~0ULL >> kPageShift);

Pgoff page_of(std::uint64_t offset) { return Pgoff(offset >> kPageShift); }

// The last byte of [offset, offset + length), length > 0, without wrap-around.
std::uint64_t last_byte(std::uint64_t offset, std::uint64_t length) {
  return length - 1 > ~offset ? ~0ULL : offset + length - 1;
}

// The file had `before` bytes and has more now, of which a system call wrote those from `written`
// on. ext4 zeroes the last page up to there (ext4_block_truncate_page, pagecache_isize_extended);
// shmem leaves it, and what nobody wrote back, because it was behind the end, has to be now.
void grow(mmu::FileMapping& mapping, std::uint64_t before, std::uint64_t written) {
  if (mapping.kind() == mmu::FileKind::kShmem) {
    const auto* host = dynamic_cast<const HostFile*>(&mapping.file());
    if (host != nullptr && host->writable()) mapping.mark_dirty(page_of(before));
    return;
  }
  const std::uint64_t end = std::min(page_align(before), written);
  if (end <= before) return;
  mapping.update_cached(before, std::vector<std::byte>(end - before));
}

}  // namespace

std::shared_ptr<mmu::FileMapping> FileCoherence::find(const OpenFile& file) const {
  if (!file.regular()) return nullptr;
  return cache_->find(file.id());
}

SysResult<std::shared_ptr<mmu::FileMapping>> FileCoherence::mapping_of(const OpenFile& file, bool for_writing) {
  if (file.virtual_file() != nullptr) return sys_error(ENODEV);
  if (!file.regular()) return sys_error(ENODEV);
  if (!file.readable()) return sys_error(EACCES);
  if (auto known = find(file)) {
    auto* host = dynamic_cast<HostFile*>(&known->file());
    if (for_writing && host != nullptr && !host->writable()) {
      if (auto done = host->make_writable(file.host_fd()); !done) return tl::unexpected(done.error());
    }
    return known;
  }
  auto host = HostFile::create(file.host_fd(), file.writable());
  if (!host) return tl::unexpected(host.error());
  return cache_->open(std::move(*host));
}

void FileCoherence::before_read(const OpenFile& file, std::uint64_t offset, std::uint64_t length) {
  const auto mapping = find(file);
  if (!mapping || length == 0) return;
  const Pgoff first = page_of(offset), last = page_of(last_byte(offset, length));
  mmu::collect_dirty(*mapping, first, last);
  // A page that cannot be written back stays dirty and is tried again at fsync and at the
  // end, where the error is told; Linux's read() does not fail for it either.
  static_cast<void>(mapping->write_back(first, last));
}

std::uint64_t FileCoherence::size_before(const OpenFile& file) const {
  const auto mapping = find(file);
  return mapping ? mapping->file().size() : 0;
}

// Copies [offset, offset + length), as far as the file goes, into the pages that are cached. It is
// those that cost: the guest names any range.
void FileCoherence::read_again(mmu::FileMapping& mapping, std::uint64_t offset, std::uint64_t length) {
  const auto* host = dynamic_cast<const HostFile*>(&mapping.file());
  if (host == nullptr || length == 0) return;
  const std::uint64_t last = last_byte(offset, length);
  std::vector<std::byte> chunk(std::min(length, kChunk));
  const auto next_cached = [&] { return mapping.pages().lower_bound(page_of(offset)); };
  for (auto page = next_cached(); page != mapping.pages().end(); page = next_cached()) {
    offset = std::max(offset, page->first.raw() << kPageShift);
    if (offset > last) return;
    const auto part = std::span(chunk).first(std::min(last - offset, chunk.size() - 1) + 1);
    const std::size_t n = host->read_bytes(offset, part);
    if (n == 0) return;
    mapping.update_cached(offset, part.first(n));
    offset += n;
  }
}

void FileCoherence::after_write(const OpenFile& file, std::uint64_t before, std::uint64_t offset,
                                std::uint64_t length) {
  const auto mapping = find(file);
  if (!mapping || length == 0) return;
  if (last_byte(offset, length) >= before) grow(*mapping, before, offset);
  read_again(*mapping, offset, length);
}

void FileCoherence::after_hole(const OpenFile& file, std::uint64_t offset, std::uint64_t length) {
  const auto mapping = find(file);
  if (!mapping || length == 0) return;
  const Pgoff first = page_of(page_align(offset));
  const std::uint64_t end = last_byte(offset, length) + 1;
  if (const Pgoff beyond = page_of(end); first < beyond) {
    const Pgoff last(beyond.raw() - 1);
    mmu::unmap_file_range(*mapping, first, last, mmu::PrivateCopies::kKeep);
    // The hole is there already: this drops the pages.
    static_cast<void>(mapping->punch_hole(first, last));
  }
  read_again(*mapping, offset, length);
}

void FileCoherence::after_dropped(const OpenFile& file, std::uint64_t offset, std::uint64_t length) {
  const auto mapping = find(file);
  if (!mapping) return;
  const std::uint64_t last = length == 0 ? ~0ULL : last_byte(offset, length);
  // A part of the last page will do where the file ends with it.
  const bool at_end = last == mapping->file().size() - 1;
  const Pgoff end = last == ~0ULL ? kLastPage : page_of(last + (at_end ? kPageSize : 1));
  std::vector<Pgoff> pages;
  for (auto at = mapping->pages().lower_bound(page_of(page_align(offset))); at != mapping->pages().end(); ++at)
    if (at->first < end) pages.push_back(at->first);
  for (const Pgoff page : pages) mapping->evict(page);
}

void FileCoherence::after_resize(const OpenFile& file, std::uint64_t before) {
  const auto mapping = find(file);
  if (!mapping) return;
  const std::uint64_t size = mapping->file().size();
  if (size > before) return grow(*mapping, before, size);
  mmu::unmap_file_range(*mapping, page_of(page_align(size)), kLastPage, mmu::PrivateCopies::kZapToo);
  mapping->truncate(size);
}

void FileCoherence::after_move(const OpenFile& file, std::uint64_t before, std::uint64_t offset) {
  after_resize(file, before);
  if (const auto mapping = find(file)) read_again(*mapping, offset, ~0ULL - offset);
}

SysResult<void> FileCoherence::write_back(const OpenFile& file) {
  const auto mapping = find(file);
  if (!mapping) return {};
  mmu::collect_dirty(*mapping, Pgoff(0), kLastPage);
  return mapping->write_back(Pgoff(0), kLastPage);
}

SysResult<void> FileCoherence::write_back_all() {
  for (const auto& [id, mapping] : cache_->mappings()) mmu::collect_dirty(*mapping, Pgoff(0), kLastPage);
  return cache_->write_back_all();
}

}  // namespace faultline::vmm::linux_abi
