// Guest memory without a guest: an anonymous mapping, an allocator, a sink that keeps books.
#pragma once

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <cstring>
#include <functional>
#include <map>
#include <set>
#include <vector>

#include "mmu/backing/file_mapping.hpp"
#include "mmu/pgtable/page_tables.hpp"
#include "mmu/space/address_space.hpp"

namespace faultline::test {

class HostMapping {
 public:
  explicit HostMapping(std::size_t bytes)
      : bytes_(bytes), base_(::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) {
    FL_CHECK(base_ != MAP_FAILED);
  }
  ~HostMapping() { ::munmap(base_, bytes_); }
  HostMapping(const HostMapping&) = delete;
  HostMapping& operator=(const HostMapping&) = delete;
  [[nodiscard]] std::span<std::byte> bytes() const { return {static_cast<std::byte*>(base_), bytes_}; }

 private:
  std::size_t bytes_;
  void* base_;
};

// Remembers every batch. Shadow-like by request: tables are not reusable after a flush.
class RecordingSink final : public mmu::TlbSink {
 public:
  struct Batch {
    Gva start, end;
    std::vector<mmu::FrameRange> frames;
    std::uint64_t pages;
    bool tables_freed;
  };
  mmu::TlbAction flush(const mmu::TlbBatch& b) override {
    batches.push_back({b.start, b.end, {b.frames.begin(), b.frames.end()}, b.pages, b.tables_freed});
    if (on_flush) on_flush(b);
    return mmu::TlbAction::kFrameDrop;
  }
  [[nodiscard]] bool tables_reusable_after_flush() const override { return tables_reusable; }
  mmu::TlbAction drop_all() override {
    ++full_drops;
    return mmu::TlbAction::kFullDrop;
  }
  std::vector<Batch> batches;
  std::function<void(const mmu::TlbBatch&)> on_flush;
  bool tables_reusable = true;
  int full_drops = 0;
};

// A file in memory. Its `cold` pages the host has to fetch, but for those that it is advised to;
// `begun` ones it has begun to, as a folio without bytes.
class TestFile final : public mmu::BackingFile {
 public:
  TestFile(mmu::FileId id, mmu::FileKind kind, std::string bytes) : content(std::move(bytes)), id_(id), kind_(kind) {}
  mmu::FileId id() const override { return id_; }
  mmu::FileKind kind() const override { return kind_; }
  std::uint64_t size() const override { return content.size(); }
  SysResult<mmu::ReadPages> read_pages(Pgoff first, std::span<const std::span<std::byte, kPageSize>> pages,
                                       mmu::ReadWait wait) override {
    if (fail_with != 0) return sys_error(fail_with);
    if (fail_after == 0) return sys_error(EIO);
    if (fail_after > 0) --fail_after;
    mmu::ReadPages result;
    for (std::size_t i = 0; i < pages.size(); ++i) {
      const std::uint64_t at = (first.raw() + i) * kPageSize;
      if (at >= content.size()) break;
      if (cold.contains(first.raw() + i) || begun.contains(first.raw() + i)) {
        if (wait == mmu::ReadWait::kCachedOnly) break;
        result.did_io = true;
      }
      const std::size_t n = std::min<std::size_t>(kPageSize, content.size() - at);
      std::memset(pages[i].data(), 0, kPageSize);
      std::memcpy(pages[i].data(), content.data() + at, n);
      result.bytes += n;
      ++reads;
    }
    return result;
  }
  [[nodiscard]] std::optional<std::uint64_t> pages_in_memory(Pgoff first, std::uint64_t count) const override {
    if (!tells) return std::nullopt;
    std::uint64_t pages = 0;
    for (std::uint64_t i = 0; i < count; ++i) pages += cold.contains(first.raw() + i) ? 0 : 1;
    return pages;
  }
  [[nodiscard]] std::uint64_t readahead_pages() const override { return readahead; }
  void advise(mmu::FileAdvice advice, Pgoff first, std::uint64_t count) override {
    if (advice != mmu::FileAdvice::kWillneed) return;
    advised.emplace_back(first.raw(), count);
    cold.erase(cold.lower_bound(first.raw()), cold.lower_bound(first.raw() + count));
  }
  SysResult<void> page_mkwrite(Pgoff) override {
    if (on_mkwrite) on_mkwrite();
    if (fail_after == 0) return sys_error(ENOSPC);
    if (fail_after > 0) --fail_after;
    if (mkwrite_error != 0) return sys_error(mkwrite_error);
    return {};
  }
  SysResult<void> write_page(Pgoff page, std::span<const std::byte, kPageSize> bytes) override {
    if (fail_with != 0) return sys_error(fail_with);
    const std::uint64_t at = page.raw() * kPageSize;
    if (at >= content.size()) return {};
    std::memcpy(content.data() + at, bytes.data(), std::min<std::size_t>(kPageSize, content.size() - at));
    ++writes;
    return {};
  }

  std::string content;
  std::set<std::uint64_t> cold, begun;
  bool tells = false;  // which pages are cold
  std::uint64_t readahead = kDefaultReadahead;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> advised;  // to be read ahead: first, count
  int fail_with = 0;
  int fail_after = -1;  // calls that succeed before all fail; -1: never
  int mkwrite_error = 0;
  std::function<void()> on_mkwrite;
  int reads = 0, writes = 0;

 private:
  mmu::FileId id_;
  mmu::FileKind kind_;
};

// Names the instances of tests that run for every paging mode.
inline std::string mode_name(const testing::TestParamInfo<mmu::PagingMode>& instance) {
  return instance.param == mmu::PagingMode::kFourLevel ? "FourLevel" : "FiveLevel";
}

// Everything an address space needs.
struct GuestMemory {
  explicit GuestMemory(std::size_t bytes = 64ULL << 20, mmu::PagingMode mode = mmu::PagingMode::kFourLevel)
      : host(bytes),
        frames(mmu::PhysMemory(host.bytes()), Gfn(16)),
        cache(frames),
        zero(frames.allocate(mmu::FrameKind::kZero, mmu::Zeroing::kNeeded).value()),
        env{frames, cache, sink, zero, Gfn(0), mode} {}

  HostMapping host;
  RecordingSink sink;
  mmu::FrameAllocator frames;
  mmu::PageCache cache;
  Gfn zero;
  mmu::MmuEnv env;
};

}  // namespace faultline::test
