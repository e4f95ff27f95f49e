// Guest descriptors (Linux files_struct and struct file). A guest descriptor is a number in
// this table; the host descriptor behind it is never a number that the guest can choose.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "mmu/base/result.hpp"
#include "mmu/ports/backing_file.hpp"
#include "vmm/host/handles.hpp"

namespace faultline::vmm::linux_abi {

class VirtualFile;

// An open file description: shared by dup()ed descriptors, closed with the last.
class OpenFile {
 public:
  // Takes the descriptor; `flags` are those of open(2).
  OpenFile(FileDescriptor fd, int flags);
  // Stands for a file that is made up as it is read; `fd` is an empty host file with the flags.
  OpenFile(std::shared_ptr<VirtualFile> file, FileDescriptor fd, int flags);
  [[nodiscard]] int host_fd() const { return fd_.get(); }
  [[nodiscard]] bool readable() const { return !path_only_ && access_ != kWriteOnly; }
  [[nodiscard]] bool writable() const { return !path_only_ && access_ != kReadOnly; }
  [[nodiscard]] bool path_only() const { return path_only_; }  // O_PATH
  [[nodiscard]] std::uint32_t type() const { return type_; }   // S_IFREG, S_IFIFO, ... ; 0: none
  [[nodiscard]] bool regular() const;
  [[nodiscard]] bool directory() const;
  // Inode identity at open; what the page cache is looked up by.
  [[nodiscard]] mmu::FileId id() const { return id_; }
  // Null for a file of the host. Its position is kept here.
  [[nodiscard]] VirtualFile* virtual_file() const { return virtual_.get(); }
  [[nodiscard]] std::uint64_t virtual_position() const { return position_; }
  void set_virtual_position(std::uint64_t position) const { position_ = position; }

 private:
  static constexpr int kReadOnly = 0, kWriteOnly = 1;
  FileDescriptor fd_;
  int access_;
  bool path_only_;
  std::uint32_t type_ = 0;
  mmu::FileId id_;
  std::shared_ptr<VirtualFile> virtual_;
  mutable std::uint64_t position_ = 0;  // of virtual_
};

class RecordLocks;

class FileTable {
 public:
  static constexpr int kDefaultLimit = 1024;

  // `locks`, which outlives the table, hears of every descriptor that goes: POSIX record locks
  // belong to the table, and go with any of its descriptors of the file. Null: there are none.
  explicit FileTable(RecordLocks* locks = nullptr) : locks_(locks) {}
  ~FileTable();
  FileTable(const FileTable&) = delete;
  FileTable& operator=(const FileTable&) = delete;
  // What fork makes of it (Linux dup_fd): the same descriptions under the same numbers, no locks.
  [[nodiscard]] std::shared_ptr<FileTable> duplicate() const;
  // execve: closes what is marked so.
  void close_on_exec();

  // Lowest free number at or above `from`. EMFILE when the limit is reached, EINVAL when
  // `from` itself is beyond it.
  SysResult<int> install(std::shared_ptr<OpenFile> file, bool close_on_exec, int from = 0);
  // dup2 semantics: replaces what is there. EBADF when `fd` is negative or beyond the limit.
  SysResult<int> install_at(int fd, std::shared_ptr<OpenFile> file, bool close_on_exec);
  [[nodiscard]] SysResult<std::shared_ptr<OpenFile>> get(int fd) const;  // EBADF
  SysResult<void> close(int fd);                                         // EBADF
  [[nodiscard]] SysResult<bool> close_on_exec(int fd) const;
  SysResult<void> set_close_on_exec(int fd, bool on);
  void close_range(unsigned first, unsigned last);

  // True when a descriptor writes to the inode.
  [[nodiscard]] bool writes_to(mmu::FileId id) const;
  // Numbers in use, ascending.
  [[nodiscard]] std::vector<int> open_numbers() const;

  [[nodiscard]] int limit() const { return limit_; }  // RLIMIT_NOFILE
  void set_limit(int limit) { limit_ = limit; }

 private:
  struct Slot {
    std::shared_ptr<OpenFile> file;
    bool close_on_exec = false;
  };
  using Slots = std::map<int, Slot>;
  // Closes it; what comes after it.
  Slots::iterator drop(Slots::iterator at);

  RecordLocks* locks_;
  Slots slots_;  // by number: the guest may choose high ones, in each of its processes
  int limit_ = kDefaultLimit;
};

}  // namespace faultline::vmm::linux_abi
