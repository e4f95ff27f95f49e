#include <algorithm>
#include <cstring>

#include "mmu/backing/file_mapping.hpp"

namespace faultline::mmu {

namespace {

// Shared anonymous memory: what Linux makes of it is a tmpfs file that nobody can open.
class ZeroFile final : public BackingFile {
 public:
  ZeroFile(FileId id, std::uint64_t bytes) : id_(id), bytes_(bytes) {}
  FileId id() const override { return id_; }
  FileKind kind() const override { return FileKind::kShmem; }
  std::uint64_t size() const override { return bytes_; }
  SysResult<ReadPages> read_pages(Pgoff, std::span<const std::span<std::byte, kPageSize>> pages,
                                  ReadWait wait) override {
    if (wait == ReadWait::kCachedOnly) return ReadPages{};  // a hole is nowhere in memory
    for (const auto& page : pages) std::memset(page.data(), 0, page.size());
    return ReadPages{.bytes = pages.size() * kPageSize};
  }
  SysResult<void> punch_hole(Pgoff, std::uint64_t) override { return {}; }  // nothing is kept here
  // The frames are the only store: nothing to write to.
  SysResult<void> write_page(Pgoff, std::span<const std::byte, kPageSize>) override { return {}; }

 private:
  FileId id_;
  std::uint64_t bytes_;
};

}  // namespace

std::shared_ptr<FileMapping> PageCache::open(std::unique_ptr<BackingFile> file) {
  std::shared_ptr<FileMapping>& slot = mappings_[file->id()];
  if (!slot) slot = std::make_shared<FileMapping>(frames_, std::move(file));
  return slot;
}

std::shared_ptr<FileMapping> PageCache::find(FileId id) const {
  const auto it = mappings_.find(id);
  return it == mappings_.end() ? nullptr : it->second;
}

std::shared_ptr<FileMapping> PageCache::create_anonymous(std::uint64_t bytes) {
  // Not in mappings_: nobody can find it by inode, it lives as long as its mappings.
  const FileId id{.device = ~0ULL, .inode = next_anonymous_++};
  return std::make_shared<FileMapping>(frames_, std::make_unique<ZeroFile>(id, bytes));
}

SysResult<void> PageCache::write_back_all() {
  SysResult<void> result;
  for (const auto& [id, mapping] : mappings_) {
    const auto written = mapping->write_back(Pgoff(0), Pgoff(~0ULL));
    if (!written && result) result = written;
  }
  return result;
}

}  // namespace faultline::mmu
