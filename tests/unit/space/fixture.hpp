// An address space over 64 MiB of host memory, with a sink that judges every flush.
#pragma once

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "mmu/fault/fault.hpp"
#include "mmu/space/address_space.hpp"
#include "mmu/space/checker.hpp"
#include "mmu/space/operations.hpp"

namespace faultline::mmu::testing {

// Logs the batches, and verifies that no frame is free before its stale translations are gone.
class RecordingSink final : public TlbSink {
 public:
  struct Batch {
    Gpa root;
    Gva start, end;
    std::uint64_t pages;
    bool tables_freed;
  };
  TlbAction flush(const TlbBatch& batch) override {
    batches.push_back({batch.root, batch.start, batch.end, batch.pages, batch.tables_freed});
    for (const FrameRange& range : batch.frames)
      for (std::uint64_t i = 0; i < range.count; ++i)
        if (frames != nullptr && frames->at(range.first + i).refcount.load() == 0) freed_before_flush = true;
    return TlbAction::kGuestFlush;
  }
  bool tables_reusable_after_flush() const override { return reusable; }
  TlbAction drop_all() override {
    ++drops;
    if (frames != nullptr) free_at_drop = frames->free_frames();
    return TlbAction::kFullDrop;
  }

  std::vector<Batch> batches;
  FrameAllocator* frames = nullptr;
  bool reusable = true;
  bool freed_before_flush = false;
  unsigned drops = 0;
  std::uint64_t free_at_drop = 0;  // frames that were free when everything was dropped
};

// A file in host memory.
class MemoryFile final : public BackingFile {
 public:
  MemoryFile(std::uint64_t inode, FileKind kind, std::uint64_t bytes) : inode_(inode), kind_(kind), bytes_(bytes) {
    for (std::size_t i = 0; i < bytes_.size(); ++i) bytes_[i] = static_cast<std::byte>((i >> kPageShift) + 1);
  }
  FileId id() const override { return {.device = 1, .inode = inode_}; }
  FileKind kind() const override { return kind_; }
  std::uint64_t size() const override { return bytes_.size(); }
  SysResult<ReadPages> read_pages(Pgoff first, std::span<const std::span<std::byte, kPageSize>> pages,
                                  ReadWait) override {
    if (fails()) return sys_error(EIO);
    ReadPages result;
    for (std::size_t i = 0; i < pages.size(); ++i) {
      const std::uint64_t from = (first.raw() + i) << kPageShift;
      std::memset(pages[i].data(), 0, kPageSize);
      if (from >= bytes_.size()) break;
      const std::size_t n = std::min<std::size_t>(kPageSize, bytes_.size() - from);
      std::memcpy(pages[i].data(), bytes_.data() + from, n);
      result.bytes += n;
    }
    return result;
  }
  SysResult<void> write_page(Pgoff page, std::span<const std::byte, kPageSize> bytes) override {
    if (fails()) return sys_error(EIO);
    ++writes;
    const std::uint64_t at = page.raw() << kPageShift;
    std::memcpy(bytes_.data() + at, bytes.data(), std::min<std::size_t>(kPageSize, bytes_.size() - at));
    return {};
  }
  SysResult<void> page_mkwrite(Pgoff) override {
    if (fails()) return sys_error(ENOSPC);
    return {};
  }
  SysResult<void> punch_hole(Pgoff first, std::uint64_t count) override {
    if (fails()) return sys_error(EPERM);
    const std::size_t from = std::min<std::size_t>(bytes_.size(), first.raw() << kPageShift);
    const std::size_t to = std::min<std::size_t>(bytes_.size(), (first.raw() + count) << kPageShift);
    std::fill(bytes_.begin() + static_cast<std::ptrdiff_t>(from), bytes_.begin() + static_cast<std::ptrdiff_t>(to),
              std::byte{0});
    return {};
  }
  std::byte byte_at(std::uint64_t offset) const { return bytes_.at(offset); }
  unsigned writes = 0;
  // Makes the n-th call from now fail, once (0 = none).
  void fail_nth(std::uint64_t n) { fail_countdown_ = n; }

 private:
  bool fails() { return fail_countdown_ != 0 && --fail_countdown_ == 0; }
  std::uint64_t fail_countdown_ = 0;
  std::uint64_t inode_;
  FileKind kind_;
  std::vector<std::byte> bytes_;
};

// Memory, allocator, cache and sink; address spaces are made in it.
class World {
 public:
  explicit World(PagingMode mode = PagingMode::kFourLevel, std::uint64_t bytes = 64ULL << 20)
      : ram_(static_cast<std::byte*>(
            mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0))),
        bytes_(bytes),
        frames(PhysMemory(std::span(ram_, bytes)), Gfn(16)),
        cache(frames),
        env{.frames = frames, .cache = cache, .sink = sink, .zero_frame = make_zero_frame(), .mode = mode} {
    sink.frames = &frames;
    baseline = frames.used_frames();
  }
  ~World() { munmap(ram_, bytes_); }
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  std::shared_ptr<FileMapping> file(FileKind kind, std::uint64_t bytes) {
    return cache.open(std::make_unique<MemoryFile>(++inodes_, kind, bytes));
  }

 private:
  Gfn make_zero_frame() { return *frames.allocate(FrameKind::kZero, Zeroing::kNeeded); }
  std::byte* ram_;
  std::uint64_t bytes_;
  std::uint64_t inodes_ = 0;

 public:
  RecordingSink sink;
  FrameAllocator frames;
  PageCache cache;
  MmuEnv env;
  std::uint64_t baseline = 0;  // frames used with no address space
};

// One address space in a world, checked after every operation that goes through it.
class SpaceTest : public ::testing::Test {
 protected:
  static constexpr std::uint64_t kBase = 0x10'0000'0000;
  static constexpr int kAnon = MAP_PRIVATE | MAP_ANONYMOUS;
  static constexpr int kRw = PROT_READ | PROT_WRITE;

  void SetUp() override { mm = AddressSpace::create(world.env); }
  void TearDown() override {
    check();
    mm.reset();
    EXPECT_FALSE(world.sink.freed_before_flush);
    // What is left is the page cache.
    std::uint64_t cached = 0;
    for (const auto& [id, file] : world.cache.mappings()) cached += file->cached_pages();
    EXPECT_EQ(world.frames.used_frames(), world.baseline + cached) << "frames leaked";
  }

  // Starts over as another version of Linux.
  void become(const LinuxBehaviour& behaviour) {
    mm.reset();
    world.env.behaviour = behaviour;
    mm = AddressSpace::create(world.env);
  }

  virtual void check() const {
    const AddressSpace* spaces[] = {mm.get()};
    const auto wrong = check_invariants(world.env, spaces);
    ASSERT_FALSE(wrong) << *wrong;
  }

  SysResult<Gva> map(std::uint64_t address, std::uint64_t length, int prot, int flags) {
    return do_mmap(*mm, {.address = address, .length = length, .prot = prot, .flags = flags});
  }
  // Maps anonymous memory right at `address`.
  void map_at(std::uint64_t address, std::uint64_t pages, int prot = kRw, int flags = kAnon) {
    const auto at = map(address, pages * kPageSize, prot, flags | MAP_FIXED);
    ASSERT_TRUE(at) << at.error().value();
    check();
  }
  void map_file_at(std::uint64_t address, std::uint64_t pages, std::shared_ptr<FileMapping> file, int prot, int flags,
                   std::uint64_t first_page = 0) {
    const auto at = do_mmap(*mm, {.address = address,
                                  .length = pages * kPageSize,
                                  .prot = prot,
                                  .flags = flags | MAP_FIXED,
                                  .offset = first_page * kPageSize,
                                  .file = std::move(file)});
    ASSERT_TRUE(at) << at.error().value();
    check();
  }
  // What user code's access does.
  FaultOutcome access(std::uint64_t address, bool write) {
    const Pte entry = entry_at(address);
    if (entry.present() && (!write || entry.writable())) return {};
    const std::uint32_t error =
        ErrorCode::kUser | (write ? ErrorCode::kWrite : 0U) | (entry.present() ? ErrorCode::kPresent : 0U);
    return handle_page_fault(*mm, {.address = Gva(address), .error = ErrorCode(error), .ip = Gva(0)});
  }
  void write_at(std::uint64_t address) { ASSERT_TRUE(access(address, true).resolved()); }
  void read_at(std::uint64_t address) { ASSERT_TRUE(access(address, false).resolved()); }
  Pte entry_at(std::uint64_t address) const {
    const PteSlot slot = mm->tables().find(Gva(address));
    return slot.valid() ? slot.load() : Pte();
  }
  std::byte& byte_at(std::uint64_t address) const {
    return *world.frames.memory().at(Gpa(entry_at(address).frame()) + (address & kPageMask));
  }
  static std::uint64_t page(std::uint64_t n) { return kBase + n * kPageSize; }

  // "0-2 rw-p 5-6 r--p": VMAs as page numbers from kBase.
  std::string layout() const {
    std::string text;
    for (const auto& [start, vma] : mm->vmas) {
      if (!text.empty()) text += ' ';
      text += std::to_string((start.raw() - kBase) >> kPageShift) + '-' +
              std::to_string((vma.end.raw() - kBase) >> kPageShift) + ' ' + vma.flags.text();
    }
    return text;
  }

  World world;
  std::unique_ptr<AddressSpace> mm;
};

template <class T>
int errno_of(const SysResult<T>& result) {
  return result ? 0 : result.error().value();
}

}  // namespace faultline::mmu::testing
