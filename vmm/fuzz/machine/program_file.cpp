#include "vmm/fuzz/machine/program_file.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "vmm/fuzz/layout.hpp"

namespace faultline::vmm::fuzz {

namespace {

std::vector<std::byte> make_content(FileOperand file) {
  std::vector<std::byte> bytes(kFileBytes);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(file_byte(file, i));
  return bytes;
}

// Every program starts with the same bytes: they are made once.
const std::vector<std::byte>& content(FileOperand file) {
  static const std::array<std::vector<std::byte>, kFiles> contents{make_content(FileOperand::kDisk),
                                                                   make_content(FileOperand::kMemory)};
  return contents.at(static_cast<std::size_t>(file) - 1);
}

}  // namespace

ProgramFile::ProgramFile(FileOperand file)
    : file_(file), original_(&content(file)), held_(page_align(original_->size()) >> kPageShift, Held::kWhole) {}

std::vector<std::byte>& ProgramFile::change() {
  if (!changed_) changed_ = *original_;
  return *changed_;
}

void ProgramFile::copy_page(Pgoff page, std::span<std::byte, kPageSize> to) const {
  const std::uint64_t from = page.raw() << kPageShift;
  const std::size_t n = from < size() ? std::min<std::size_t>(kPageSize, size() - from) : 0;
  std::memcpy(to.data(), bytes().data() + (n == 0 ? 0 : from), n);
  std::memset(to.data() + n, 0, kPageSize - n);
}

SysResult<mmu::ReadPages> ProgramFile::read_pages(Pgoff first, std::span<const std::span<std::byte, kPageSize>> pages,
                                                  mmu::ReadWait wait) {
  mmu::ReadPages result;
  for (std::size_t i = 0; i < pages.size(); ++i) {
    const std::uint64_t page = first.raw() + i, from = page << kPageShift;
    if (from >= size()) break;
    if (held_[page] != Held::kWhole) {
      if (wait == mmu::ReadWait::kCachedOnly) break;
      result.did_io = disk();
      held_[page] = Held::kWhole;
    }
    copy_page(Pgoff(page), pages[i]);
    result.bytes += std::min<std::size_t>(kPageSize, size() - from);
  }
  return result;
}

std::optional<std::uint64_t> ProgramFile::pages_in_memory(Pgoff first, std::uint64_t count) const {
  const std::uint64_t end = std::min<std::uint64_t>(first.raw() + count, held_.size());
  std::uint64_t pages = 0;
  for (std::uint64_t page = first.raw(); page < end; ++page) pages += held_[page] != Held::kNothing ? 1 : 0;
  return pages;
}

void ProgramFile::advise(mmu::FileAdvice advice, Pgoff first, std::uint64_t count) {
  if (advice != mmu::FileAdvice::kWillneed || !disk()) return;
  const std::uint64_t end = std::min<std::uint64_t>(first.raw() + count, held_.size());
  for (std::uint64_t page = first.raw(); page < end; ++page)
    if (held_[page] == Held::kNothing) held_[page] = Held::kWhole;
}

SysResult<void> ProgramFile::write_page(Pgoff page, std::span<const std::byte, kPageSize> bytes) {
  const std::uint64_t at = page.raw() << kPageShift;
  if (at >= size()) return {};
  std::memcpy(change().data() + at, bytes.data(), std::min<std::size_t>(kPageSize, size() - at));
  held_[page.raw()] = Held::kWhole;
  return {};
}

SysResult<void> ProgramFile::punch_hole(Pgoff first, std::uint64_t count) {
  const std::uint64_t end = std::min<std::uint64_t>(first.raw() + count, held_.size());
  for (std::uint64_t page = first.raw(); page < end; ++page) {
    const std::uint64_t at = page << kPageShift;
    std::memset(change().data() + at, 0, std::min<std::size_t>(kPageSize, size() - at));
    held_[page] = Held::kNothing;
  }
  return {};
}

void ProgramFile::begin_page_of_end(std::uint64_t bytes) {
  const std::uint64_t page = bytes >> kPageShift;
  if (disk() && (bytes & kPageMask) != 0 && held_[page] == Held::kNothing) held_[page] = Held::kBegun;
}

// ext4 clears what is behind the end in its page when a file grows, from the old end, and when it
// does not, from the new one (ext4_block_truncate_page).
void ProgramFile::resize(std::uint64_t bytes) {
  const std::uint64_t before = size();
  if (bytes > before) begin_page_of_end(before);
  change().resize(bytes);
  held_.resize(page_align(bytes) >> kPageShift, Held::kNothing);
  if (bytes <= before) begin_page_of_end(bytes);
}

}  // namespace faultline::vmm::fuzz
