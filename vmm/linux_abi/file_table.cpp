#include "vmm/linux_abi/file_table.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <iterator>
#include <limits>

#include "vmm/linux_abi/record_locks.hpp"
#include "vmm/linux_abi/virtual_file.hpp"

namespace faultline::vmm::linux_abi {

OpenFile::OpenFile(FileDescriptor fd, int flags)
    : fd_(std::move(fd)), access_(flags & O_ACCMODE), path_only_((flags & O_PATH) != 0) {
  struct stat st {};
  if (::fstat(fd_.get(), &st) != 0) return;
  type_ = st.st_mode & S_IFMT;
  id_ = mmu::FileId{st.st_dev, st.st_ino};
}

OpenFile::OpenFile(std::shared_ptr<VirtualFile> file, FileDescriptor fd, int flags)
    : fd_(std::move(fd)),
      access_(flags & O_ACCMODE),
      path_only_((flags & O_PATH) != 0),
      type_(file->attributes().mode & S_IFMT),
      id_{~std::uint64_t{0}, file->attributes().inode},
      virtual_(std::move(file)) {}

bool OpenFile::regular() const { return type_ == S_IFREG; }
bool OpenFile::directory() const { return type_ == S_IFDIR; }

FileTable::~FileTable() {
  if (locks_ != nullptr) locks_->release_all(this);
}

std::shared_ptr<FileTable> FileTable::duplicate() const {
  auto copy = std::make_shared<FileTable>(locks_);
  copy->slots_ = slots_;
  copy->limit_ = limit_;
  return copy;
}

// Linux filp_close: closing any descriptor of a file ends the table's locks on it.
FileTable::Slots::iterator FileTable::drop(Slots::iterator at) {
  const std::shared_ptr<OpenFile> file = std::move(at->second.file);
  const auto next = slots_.erase(at);
  if (locks_ != nullptr && file->regular()) locks_->release(this, file->id());
  return next;
}

void FileTable::close_on_exec() {
  for (auto at = slots_.begin(); at != slots_.end();) at = at->second.close_on_exec ? drop(at) : std::next(at);
}

bool FileTable::writes_to(mmu::FileId id) const {
  return std::ranges::any_of(slots_, [id](const auto& entry) {
    const OpenFile& file = *entry.second.file;
    return file.regular() && file.writable() && file.id() == id;
  });
}

SysResult<int> FileTable::install(std::shared_ptr<OpenFile> file, bool close_on_exec, int from) {
  if (from < 0 || from >= limit_) return sys_error(EINVAL);
  int fd = from;
  for (auto at = slots_.lower_bound(from); at != slots_.end() && at->first == fd; ++at) ++fd;
  if (fd >= limit_) return sys_error(EMFILE);
  return install_at(fd, std::move(file), close_on_exec);
}

SysResult<int> FileTable::install_at(int fd, std::shared_ptr<OpenFile> file, bool close_on_exec) {
  if (fd < 0 || fd >= limit_) return sys_error(EBADF);
  if (const auto at = slots_.find(fd); at != slots_.end()) drop(at);
  slots_.emplace(fd, Slot{std::move(file), close_on_exec});
  return fd;
}

SysResult<std::shared_ptr<OpenFile>> FileTable::get(int fd) const {
  const auto at = slots_.find(fd);
  if (at == slots_.end()) return sys_error(EBADF);
  return at->second.file;
}

SysResult<void> FileTable::close(int fd) {
  const auto at = slots_.find(fd);
  if (at == slots_.end()) return sys_error(EBADF);
  drop(at);
  return {};
}

SysResult<bool> FileTable::close_on_exec(int fd) const {
  const auto at = slots_.find(fd);
  if (at == slots_.end()) return sys_error(EBADF);
  return at->second.close_on_exec;
}

SysResult<void> FileTable::set_close_on_exec(int fd, bool on) {
  const auto at = slots_.find(fd);
  if (at == slots_.end()) return sys_error(EBADF);
  at->second.close_on_exec = on;
  return {};
}

std::vector<int> FileTable::open_numbers() const {
  std::vector<int> numbers;
  for (const auto& [fd, slot] : slots_) numbers.push_back(fd);
  return numbers;
}

void FileTable::close_range(unsigned first, unsigned last) {
  constexpr unsigned kHighest = std::numeric_limits<int>::max();
  if (first > kHighest) return;
  for (auto at = slots_.lower_bound(static_cast<int>(first)); at != slots_.end();) {
    if (static_cast<unsigned>(at->first) > last) return;
    at = drop(at);
  }
}

}  // namespace faultline::vmm::linux_abi
