#include "vmm/linux_abi/virtual_file.hpp"

#include <sys/stat.h>

#include <cerrno>
#include <ctime>

namespace faultline::vmm::linux_abi {

SysResult<void> VirtualFile::may_read(std::uint64_t, std::uint64_t) const { return {}; }
SysResult<std::size_t> VirtualFile::write(Task&, std::uint64_t, std::span<const std::byte>) {
  return sys_error(EINVAL);
}
SyscallValue VirtualFile::ioctl(Task&, std::uint32_t, Gva) { return sys_error(ENOTTY); }
SysResult<std::vector<VirtualEntry>> VirtualFile::list(Task&) { return sys_error(ENOTDIR); }

struct ::stat stat_of(const VirtualAttributes& attributes) {
  struct ::stat st {};
  struct ::stat proc {};
  // The device of the host's procfs, which entries beside ours have.
  if (::stat("/proc", &proc) == 0) st.st_dev = proc.st_dev;
  st.st_mode = attributes.mode;
  st.st_uid = attributes.uid;
  st.st_gid = attributes.gid;
  st.st_ino = attributes.inode;
  st.st_nlink = attributes.links;
  st.st_blksize = 1024;  // proc's s_blocksize
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  st.st_atim = st.st_mtim = st.st_ctim = now;
  return st;
}

}  // namespace faultline::vmm::linux_abi
