// Where the disk's file of programs lies on this machine.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace faultline::vmm::fuzz {

// Of TMPDIR, /tmp, /var/tmp and the current folder those on a disk's file system, in this order.
struct DiskFolders {
  std::vector<std::string> found;
  std::string tried;  // all there are, each after a space
};
[[nodiscard]] DiskFolders disk_folders();

// Pages that are read ahead at once in the first of them (Linux's default where there is none).
// What a program sees of page faults depends on it, so judges that have no disk go by it, too.
[[nodiscard]] std::uint64_t disk_readahead_pages();

}  // namespace faultline::vmm::fuzz
