// A file that is made up as it is read (Linux proc inodes and their file_operations). An
// OpenFile may stand for one; reading, writing, listing and ioctl then come here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "vmm/linux_abi/syscall.hpp"

struct stat;

namespace faultline::vmm::linux_abi {

// What stat(2) tells of one.
struct VirtualAttributes {
  std::uint32_t mode = 0;  // type and permissions
  std::uint32_t uid = 0, gid = 0;
  std::uint64_t inode = 0;
  std::uint32_t links = 1;
};

struct VirtualEntry {
  std::string name;
  std::uint64_t inode = 0;
  std::uint8_t type = 0;  // DT_*
};

class VirtualFile {
 public:
  // `path`: absolute, as the guest sees it.
  VirtualFile(VirtualAttributes attributes, std::string path) : attributes_(attributes), path_(std::move(path)) {}
  virtual ~VirtualFile() = default;
  VirtualFile(const VirtualFile&) = delete;
  VirtualFile& operator=(const VirtualFile&) = delete;

  [[nodiscard]] const VirtualAttributes& attributes() const { return attributes_; }
  [[nodiscard]] const std::string& path() const { return path_; }

  // EINVAL for a read that the kernel refuses by its shape, before any byte is made.
  [[nodiscard]] virtual SysResult<void> may_read(std::uint64_t offset, std::uint64_t bytes) const;
  // Up to to.size() bytes from `offset`; 0: the end. May be short, as seq_file's are.
  virtual SysResult<std::size_t> read(Task& reader, std::uint64_t offset, std::span<std::byte> to) = 0;
  // How many bytes were taken. EINVAL for what cannot be written.
  virtual SysResult<std::size_t> write(Task& writer, std::uint64_t offset, std::span<const std::byte> from);
  // The most that one write() call takes at a time; a longer one is made in pieces.
  [[nodiscard]] virtual std::size_t write_chunk() const { return 4096; }
  virtual SyscallValue ioctl(Task& caller, std::uint32_t command, Gva argument);
  // What a directory holds, "." and ".." included. ENOTDIR for others.
  virtual SysResult<std::vector<VirtualEntry>> list(Task& reader);
  // A position may be any number, negative ones included (Linux mem_lseek).
  [[nodiscard]] virtual bool any_position() const { return false; }
  // Positions are unsigned: reading at a negative one is no EINVAL (FMODE_UNSIGNED_OFFSET).
  [[nodiscard]] virtual bool unsigned_position() const { return false; }

 private:
  VirtualAttributes attributes_;
  std::string path_;
};

// struct stat of one.
struct ::stat stat_of(const VirtualAttributes& attributes);

}  // namespace faultline::vmm::linux_abi
