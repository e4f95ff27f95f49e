#include "vmm/linux_abi/file_table.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>

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
void FileTable::drop(Slot& slot) {
  const std::shared_ptr<OpenFile> file = std::move(slot.file);
  slot = Slot{};
  if (file && locks_ != nullptr && file->regular()) locks_->release(this, file->id());
}

void FileTable::close_on_exec() {
  for (Slot& slot : slots_)
    if (slot.file && slot.close_on_exec) drop(slot);
}

bool FileTable::writes_to(mmu::FileId id) const {
  return std::ranges::any_of(
      slots_, [id](const Slot& s) { return s.file && s.file->regular() && s.file->writable() && s.file->id() == id; });
}

SysResult<int> FileTable::install(std::shared_ptr<OpenFile> file, bool close_on_exec, int from) {
  if (from < 0 || from >= limit_) return sys_error(EINVAL);
  int fd = from;
  while (used(fd)) ++fd;
  if (fd >= limit_) return sys_error(EMFILE);
  return install_at(fd, std::move(file), close_on_exec);
}

SysResult<int> FileTable::install_at(int fd, std::shared_ptr<OpenFile> file, bool close_on_exec) {
  if (fd < 0 || fd >= limit_) return sys_error(EBADF);
  const auto index = static_cast<std::size_t>(fd);
  if (index >= slots_.size()) slots_.resize(index + 1);
  if (slots_[index].file) drop(slots_[index]);
  slots_[index] = Slot{std::move(file), close_on_exec};
  return fd;
}

SysResult<std::shared_ptr<OpenFile>> FileTable::get(int fd) const {
  if (!used(fd)) return sys_error(EBADF);
  return slots_[static_cast<std::size_t>(fd)].file;
}

SysResult<void> FileTable::close(int fd) {
  if (!used(fd)) return sys_error(EBADF);
  drop(slots_[static_cast<std::size_t>(fd)]);
  return {};
}

SysResult<bool> FileTable::close_on_exec(int fd) const {
  if (!used(fd)) return sys_error(EBADF);
  return slots_[static_cast<std::size_t>(fd)].close_on_exec;
}

SysResult<void> FileTable::set_close_on_exec(int fd, bool on) {
  if (!used(fd)) return sys_error(EBADF);
  slots_[static_cast<std::size_t>(fd)].close_on_exec = on;
  return {};
}

std::vector<int> FileTable::open_numbers() const {
  std::vector<int> numbers;
  for (std::size_t fd = 0; fd < slots_.size(); ++fd) {
    if (slots_[fd].file) numbers.push_back(static_cast<int>(fd));
  }
  return numbers;
}

void FileTable::close_range(unsigned first, unsigned last) {
  for (std::size_t fd = first; fd <= last && fd < slots_.size(); ++fd) drop(slots_[fd]);
}

}  // namespace faultline::vmm::linux_abi
