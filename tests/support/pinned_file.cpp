#include "tests/support/pinned_file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utility>

namespace faultline::test {

PinnedFile::PinnedFile(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat st {};
  if (fd >= 0 && ::fstat(fd, &st) == 0) {
    bytes_ = static_cast<std::size_t>(st.st_size);
    pinned_ = bytes_ == 0;
    void* mapping = bytes_ != 0 ? ::mmap(nullptr, bytes_, PROT_READ, MAP_SHARED, fd, 0) : MAP_FAILED;
    if (mapping != MAP_FAILED) {
      mapping_ = mapping;
      pinned_ = ::mlock(mapping_, bytes_) == 0;
    }
  }
  if (fd >= 0) ::close(fd);
}

PinnedFile::PinnedFile(PinnedFile&& other) noexcept
    : mapping_(std::exchange(other.mapping_, nullptr)), bytes_(other.bytes_), pinned_(other.pinned_) {}

PinnedFile::~PinnedFile() {
  if (mapping_ != nullptr) ::munmap(mapping_, bytes_);
}

}  // namespace faultline::test
