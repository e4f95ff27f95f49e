#include "tests/bench/operation_sides.hpp"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstring>

#include "mmu/fault/fault.hpp"
#include "mmu/space/fork.hpp"
#include "mmu/space/operations.hpp"

namespace faultline::bench {
namespace {

constexpr Gva kStart{0x7000'0000'0000};

Gva at(std::uint64_t page) { return kStart + page * kPageSize; }

// A file of one byte value: what is behind the page cache is not measured.
class FlatFile final : public mmu::BackingFile {
 public:
  FlatFile(std::uint64_t inode, mmu::FileKind kind, std::uint64_t pages)
      : id_{.device = 1, .inode = inode}, kind_(kind), pages_(pages) {}
  [[nodiscard]] mmu::FileId id() const override { return id_; }
  [[nodiscard]] mmu::FileKind kind() const override { return kind_; }
  [[nodiscard]] std::uint64_t size() const override { return pages_ * kPageSize; }
  SysResult<mmu::ReadPages> read_pages(Pgoff, std::span<const std::span<std::byte, kPageSize>> pages,
                                       mmu::ReadWait) override {
    for (const auto& page : pages) std::memset(page.data(), 1, page.size());
    return mmu::ReadPages{.bytes = pages.size() * kPageSize};
  }
  SysResult<void> write_page(Pgoff, std::span<const std::byte, kPageSize>) override { return {}; }
  SysResult<void> punch_hole(Pgoff, std::uint64_t) override { return {}; }

 private:
  mmu::FileId id_;
  mmu::FileKind kind_;
  std::uint64_t pages_;
};

}  // namespace

struct MmuSide::Sink final : mmu::TlbSink {
  mmu::TlbAction flush(const mmu::TlbBatch&) override { return mmu::TlbAction::kNone; }
  [[nodiscard]] bool tables_reusable_after_flush() const override { return true; }
  mmu::TlbAction drop_all() override { return mmu::TlbAction::kNone; }
};

MmuSide::MmuSide(std::uint64_t bytes) : bytes_(bytes), sink_(std::make_unique<Sink>()) {
  base_ = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  FL_CHECK(base_ != MAP_FAILED);
  ::madvise(base_, bytes, MADV_DONTFORK);  // the other side's forks do not pay for it
  frames_ =
      std::make_unique<mmu::FrameAllocator>(mmu::PhysMemory(std::span(static_cast<std::byte*>(base_), bytes)), Gfn(16));
  // Everything was used once: each page must be zeroed again.
  std::vector<Gfn> all;
  while (auto frame = frames_->allocate(mmu::FrameKind::kAnon, mmu::Zeroing::kNotNeeded)) all.push_back(*frame);
  for (const Gfn frame : all) frames_->put(frame);
  cache_ = std::make_unique<mmu::PageCache>(*frames_);
  const Gfn zero = frames_->allocate(mmu::FrameKind::kZero, mmu::Zeroing::kNeeded).value();
  mm_ = mmu::AddressSpace::create({.frames = *frames_, .cache = *cache_, .sink = *sink_, .zero_frame = zero});
  FL_CHECK(mm_ != nullptr);
  mm_->mmap_base = Gva(0x7fff'0000'0000);
}

MmuSide::~MmuSide() {
  child_.reset();
  mm_.reset();
  cache_.reset();
  ::munmap(base_, bytes_);
}

void MmuSide::map(std::uint64_t pages, int prot, int flags) {
  FL_CHECK(mmu::do_mmap(
      *mm_, {.address = kStart.raw(), .length = pages * kPageSize, .prot = prot, .flags = flags | MAP_FIXED}));
}

std::shared_ptr<mmu::FileMapping> MmuSide::file(FileOf which, std::uint64_t pages) {
  const bool memory = which == FileOf::kMemory;
  auto mapping = cache_->open(
      std::make_unique<FlatFile>(memory ? 1 : 2, memory ? mmu::FileKind::kShmem : mmu::FileKind::kRegular, pages));
  for (std::uint64_t p = 0; p < pages; ++p) FL_CHECK(mapping->fetch(Pgoff(p)));
  return mapping;
}

void MmuSide::map_file(FileOf which, std::uint64_t pages, int flags) {
  FL_CHECK(mmu::do_mmap(*mm_, {.address = kStart.raw(),
                               .length = pages * kPageSize,
                               .prot = PROT_READ | PROT_WRITE,
                               .flags = flags | MAP_FIXED,
                               .file = file(which, pages)}));
}

void MmuSide::unmap_at(std::uint64_t page, std::uint64_t pages) {
  FL_CHECK(mmu::do_munmap(*mm_, at(page).raw(), pages * kPageSize));
}

void MmuSide::touch(std::uint64_t page, bool write) {
  std::uint32_t error = mmu::ErrorCode::kUser | (write ? mmu::ErrorCode::kWrite : 0);
  const mmu::LeafSlot leaf = mmu::find_leaf(frames_->memory(), mm_->tables().root(), mm_->mode(), at(page));
  const mmu::Pte entry = leaf.slot.valid() ? leaf.slot.load() : mmu::Pte();
  if (entry.present() && (!write || entry.writable())) return;
  if (entry.present()) error |= mmu::ErrorCode::kPresent;
  FL_CHECK(
      mmu::handle_page_fault(*mm_, {.address = at(page), .error = mmu::ErrorCode(error), .ip = Gva(0)}).resolved());
}

void MmuSide::protect(std::uint64_t page, std::uint64_t pages, int prot) {
  FL_CHECK(mmu::do_mprotect(*mm_, at(page).raw(), pages * kPageSize, prot));
}
void MmuSide::advise(std::uint64_t page, std::uint64_t pages, int advice) {
  FL_CHECK(mmu::do_madvise(*mm_, at(page).raw(), pages * kPageSize, advice));
}

void MmuSide::fork() {
  auto child = mmu::fork_address_space(*mm_);
  FL_CHECK(child);
  child_ = std::move(*child);
}
void MmuSide::end_child() { child_.reset(); }

void MmuSide::clean(FileOf which) {
  const mmu::FileId id{.device = 1, .inode = which == FileOf::kMemory ? 1U : 2U};
  FL_CHECK(cache_->find(id)->write_back(Pgoff(0), Pgoff(~0ULL >> kPageShift)));
}

NativeSide::~NativeSide() {
  end_child();
  if (memory_fd_ >= 0) ::close(memory_fd_);
  if (disk_fd_ >= 0) ::close(disk_fd_);
}

void NativeSide::map(std::uint64_t pages, int prot, int flags) {
  void* p = ::mmap(reinterpret_cast<void*>(kStart.raw()), pages * kPageSize, prot, flags | MAP_FIXED, -1, 0);
  FL_CHECK(p != MAP_FAILED);
  base_ = static_cast<volatile char*>(p);
}

// Written page by page: small folios, as the page cache of the other side has.
int NativeSide::file(FileOf which, std::uint64_t pages) {
  int& fd = which == FileOf::kMemory ? memory_fd_ : disk_fd_;
  if (fd >= 0) return fd;
  fd = which == FileOf::kMemory ? ::memfd_create("bench", MFD_CLOEXEC)
                                : ::open("/var/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  FL_CHECK(fd >= 0);
  std::array<char, kPageSize> page{};
  page.fill(1);
  for (std::uint64_t p = 0; p < pages; ++p)
    FL_CHECK(::pwrite(fd, page.data(), page.size(), static_cast<off_t>(p * kPageSize)) == ssize_t{kPageSize});
  clean(which);
  return fd;
}

void NativeSide::map_file(FileOf which, std::uint64_t pages, int flags) {
  void* p = ::mmap(reinterpret_cast<void*>(kStart.raw()), pages * kPageSize, PROT_READ | PROT_WRITE, flags | MAP_FIXED,
                   file(which, pages), 0);
  FL_CHECK(p != MAP_FAILED);
  base_ = static_cast<volatile char*>(p);
}

void NativeSide::unmap_at(std::uint64_t page, std::uint64_t pages) {
  FL_CHECK(::munmap(const_cast<char*>(base_) + page * kPageSize, pages * kPageSize) == 0);
}
void NativeSide::protect(std::uint64_t page, std::uint64_t pages, int prot) {
  FL_CHECK(::mprotect(const_cast<char*>(base_) + page * kPageSize, pages * kPageSize, prot) == 0);
}
void NativeSide::advise(std::uint64_t page, std::uint64_t pages, int advice) {
  FL_CHECK(::madvise(const_cast<char*>(base_) + page * kPageSize, pages * kPageSize, advice) == 0);
}

// The child waits until it is ended.
void NativeSide::fork() {
  child_ = ::fork();
  FL_CHECK(child_ >= 0);
  if (child_ == 0) {
    for (;;) ::pause();
  }
}
void NativeSide::end_child() {
  if (child_ < 0) return;
  ::kill(child_, SIGKILL);
  ::waitpid(child_, nullptr, 0);
  child_ = -1;
}

void NativeSide::clean(FileOf which) {
  if (which == FileOf::kDisk) FL_CHECK(::fdatasync(disk_fd_) == 0);
}

}  // namespace faultline::bench
