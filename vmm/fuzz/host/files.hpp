// The two files of programs as the host has them: without a name, and in its page cache.
#pragma once

#include <string>

#include "mmu/base/result.hpp"
#include "vmm/fuzz/program.hpp"
#include "vmm/host/handles.hpp"

namespace faultline::vmm::fuzz::host {

class HostFiles {
 public:
  // kDisk lies in the first of TMPDIR, /tmp, /var/tmp and the current folder that is on a disk's
  // file system; kMemory is a memfd. Error: there is no such folder.
  static Result<HostFiles> make();

  [[nodiscard]] int disk() const { return disk_.get(); }
  [[nodiscard]] int memory() const { return memory_.get(); }
  // Which file has this device and inode, as /proc/PID/maps shows them.
  [[nodiscard]] FileOperand find(std::uint64_t device, std::uint64_t inode) const;
  // What `file_system_of_disk` is, for messages: "ext4 in /tmp".
  [[nodiscard]] const std::string& where() const { return where_; }

  // Makes both what they are at the start of a program. Error: the host failed. `program` was the
  // last that ran: what it cannot have changed is left alone.
  Result<void> restore(const Program& program);

 private:
  struct Identity {
    std::uint64_t device = 0, inode = 0;
  };
  Result<void> identify();

  FileDescriptor disk_, memory_;
  Identity disk_identity_, memory_identity_;
  std::string where_;
};

}  // namespace faultline::vmm::fuzz::host
