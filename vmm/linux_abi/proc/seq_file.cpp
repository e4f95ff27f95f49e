// Follows seq_read_iter (fs/seq_file.c) in what one read returns.
#include "vmm/linux_abi/proc/seq_file.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace faultline::vmm::linux_abi::proc {

namespace {
constexpr std::size_t kBufferBytes = 4096;
}

// True when there is something at `offset`.
SysResult<bool> SeqFile::seek(Task& reader, std::uint64_t offset) {
  if (started_ && offset != 0 && offset == at_) return true;
  restart();
  buffer_.clear();
  pending_.clear();
  at_ = 0;
  started_ = true;
  while (at_ + buffer_.size() <= offset && offset != 0) {
    at_ += buffer_.size();
    buffer_.clear();
    auto more = next(reader, buffer_);
    if (!more || !*more) {
      started_ = false;
      return more;
    }
  }
  buffer_.erase(0, offset - at_);
  at_ = offset;
  return true;
}

SysResult<void> SeqFile::fill(Task& reader, std::size_t wanted) {
  std::size_t added = 0;
  while (buffer_.size() < wanted) {
    if (pending_.empty()) {
      auto more = next(reader, pending_);
      if (!more && added == 0) return tl::unexpected(more.error());
      if (!more || !*more) break;
    }
    if (added > 0 && added + pending_.size() > kBufferBytes) break;
    buffer_ += pending_;
    added += pending_.size();
    pending_.clear();
  }
  return {};
}

SysResult<std::size_t> SeqFile::read(Task& reader, std::uint64_t offset, std::span<std::byte> to) {
  const auto there = seek(reader, offset);
  if (!there) return tl::unexpected(there.error());
  if (!*there) return 0;
  if (auto filled = fill(reader, to.size()); !filled && buffer_.empty()) return tl::unexpected(filled.error());
  const std::size_t n = std::min(to.size(), buffer_.size());
  std::memcpy(to.data(), buffer_.data(), n);
  buffer_.erase(0, n);
  at_ += n;
  return n;
}

SysResult<bool> TextFile::next(Task& reader, std::string& out) {
  if (done_) return false;
  Task* process = subject_.find(reader);
  if (process == nullptr) return sys_error(ESRCH);
  out += make_(*process);
  done_ = true;
  return !out.empty();
}

}  // namespace faultline::vmm::linux_abi::proc
