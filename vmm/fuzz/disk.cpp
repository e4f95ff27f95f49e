#include "vmm/fuzz/disk.hpp"

#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <cstdlib>

#include "mmu/ports/backing_file.hpp"
#include "vmm/host/readahead.hpp"

namespace faultline::vmm::fuzz {

namespace {

bool in_memory(const struct statfs& fs) {
  return fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC || fs.f_type == HUGETLBFS_MAGIC;
}

std::uint64_t first_folder_readahead() {
  const DiskFolders folders = disk_folders();
  struct stat status {};
  if (folders.found.empty() || ::stat(folders.found.front().c_str(), &status) != 0)
    return mmu::BackingFile::kDefaultReadahead;
  return readahead_pages(status.st_dev);
}

}  // namespace

DiskFolders disk_folders() {
  const char* own = std::getenv("TMPDIR");
  DiskFolders folders;
  for (const std::string folder : {own != nullptr ? own : "", "/tmp", "/var/tmp", "."}) {
    struct statfs fs {};
    if (folder.empty() || ::statfs(folder.c_str(), &fs) != 0) continue;
    folders.tried += " " + folder;
    if (!in_memory(fs)) folders.found.push_back(folder);
  }
  return folders;
}

std::uint64_t disk_readahead_pages() {
  static const std::uint64_t pages = first_folder_readahead();
  return pages;
}

}  // namespace faultline::vmm::fuzz
