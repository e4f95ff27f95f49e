// A file that programs map: bytes in host memory.
#pragma once

#include <optional>
#include <vector>

#include "mmu/ports/backing_file.hpp"
#include "vmm/fuzz/disk.hpp"
#include "vmm/fuzz/program.hpp"

namespace faultline::vmm::fuzz {

// kFileBytes bytes of file_byte(). kDisk is a FileKind::kRegular, kMemory a kShmem. Pages are "in
// the host's memory" but for holes: those that a resize adds and punch_hole() leaves, until they
// are read or written back. kDisk reads ahead as the disk does that the host's judge would use.
class ProgramFile final : public mmu::BackingFile {
 public:
  explicit ProgramFile(FileOperand file);

  [[nodiscard]] mmu::FileId id() const override { return {.device = 1, .inode = static_cast<std::uint64_t>(file_)}; }
  [[nodiscard]] mmu::FileKind kind() const override {
    return file_ == FileOperand::kDisk ? mmu::FileKind::kRegular : mmu::FileKind::kShmem;
  }
  [[nodiscard]] std::uint64_t size() const override { return bytes().size(); }
  SysResult<mmu::ReadPages> read_pages(Pgoff first, std::span<const std::span<std::byte, kPageSize>> pages,
                                       mmu::ReadWait wait) override;
  [[nodiscard]] std::optional<std::uint64_t> pages_in_memory(Pgoff first, std::uint64_t count) const override;
  [[nodiscard]] std::uint64_t readahead_pages() const override { return disk_readahead_pages(); }
  void advise(mmu::FileAdvice advice, Pgoff first, std::uint64_t count) override;
  SysResult<void> write_page(Pgoff page, std::span<const std::byte, kPageSize> bytes) override;
  SysResult<void> punch_hole(Pgoff first, std::uint64_t count) override;

  // What ftruncate does to the file itself; mappings and cached pages are World::resize's.
  void resize(std::uint64_t bytes);
  // The page as the file has it, zeroes behind its end.
  void copy_page(Pgoff page, std::span<std::byte, kPageSize> to) const;

 private:
  // In memory: the page with its bytes, nothing, or a page of a disk's file without bytes (ext4
  // begins one where a file has its end in a hole; readahead passes over it).
  enum class Held : std::uint8_t { kWhole, kNothing, kBegun };
  [[nodiscard]] bool disk() const { return file_ == FileOperand::kDisk; }
  void begin_page_of_end(std::uint64_t bytes);

  // Most programs change neither file: until one does, the bytes are those that all files share.
  [[nodiscard]] const std::vector<std::byte>& bytes() const { return changed_ ? *changed_ : *original_; }
  std::vector<std::byte>& change();

  FileOperand file_;
  const std::vector<std::byte>* original_;
  std::optional<std::vector<std::byte>> changed_;
  std::vector<Held> held_;  // one for each page
};

}  // namespace faultline::vmm::fuzz
