#include "vmm/recording/frame_index.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include <algorithm>
#include <cstring>

namespace faultline::vmm::recording {

namespace {

// A hostile ring can have heads everywhere that claim the same bytes; so often all are looked at.
constexpr std::uint64_t kMaxPasses = 4;

bool plausible(const FrameHead& head) {
  constexpr std::uint64_t kManyEvents = 1ULL << 62;
  return head.raw_bytes <= kMaxFrameBytes && head.stored_bytes <= ZSTD_compressBound(kMaxFrameBytes) &&
         head.events <= head.raw_bytes && head.first_event != 0 && head.first_event < kManyEvents;
}

std::string frame_name(const FrameRef& frame) {
  return fmt::format("frame {} at byte {}", frame.head.sequence, frame.at);
}

// What must hold from one frame to the next.
bool follows(const FrameHead& head, const FrameHead& before) {
  const std::uint64_t expected = before.first_event + (before.kind == FrameKind::kEvents ? before.events : 0);
  return head.sequence == before.sequence + 1 && head.first_event == expected && !before.last;
}

}  // namespace

Result<std::unique_ptr<RecordingFile>> RecordingFile::open(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return fail(fmt::format("{}: {}", path, std::strerror(errno)));
  std::unique_ptr<RecordingFile> file(new RecordingFile(fd, path));
  if (auto head = file->read_head(); !head) return fail(fmt::format("{}: {}", path, head.error().message));
  file->info_.info.ring_bytes != 0 ? file->find_in_ring() : file->find_in_row();
  file->note_end();
  return file;
}

RecordingFile::~RecordingFile() { ::close(fd_); }

bool RecordingFile::read(std::uint64_t at, std::span<std::uint8_t> to) const {
  std::size_t done = 0;
  while (done < to.size()) {
    const ssize_t n = ::pread(fd_, to.data() + done, to.size() - done, static_cast<off_t>(at + done));
    if (n > 0) {
      done += static_cast<std::size_t>(n);
    } else if (n == 0 || errno != EINTR) {
      return false;
    }
  }
  return true;
}

Result<void> RecordingFile::read_head() {
  struct stat st {};
  if (::fstat(fd_, &st) != 0) return fail(std::strerror(errno));
  if (!S_ISREG(st.st_mode)) return fail("not a regular file");
  size_ = static_cast<std::uint64_t>(st.st_size);
  Bytes bytes(std::min<std::uint64_t>(kFileHeadBytes, size_));
  if (!read(0, bytes)) return fail("cannot be read");
  const auto head = unpack_file_head(bytes);
  if (!head) return tl::unexpected(head.error());
  if (head->info_bytes > size_ - kFileHeadBytes) return fail("cut off in its head");
  bytes.resize(head->info_bytes);
  if (!read(kFileHeadBytes, bytes)) return fail("cannot be read");
  if (checksum(bytes) != head->checksum) return fail("its head is damaged: the checksum does not match");
  auto info = unpack_info(bytes);
  if (!info) return tl::unexpected(info.error());
  info_ = std::move(*info);
  area_ = kFileHeadBytes + head->info_bytes;
  return {};
}

std::optional<FrameHead> RecordingFile::head_at(std::uint64_t at) const {
  std::array<std::uint8_t, kFrameHeadBytes> bytes;
  if (at > size_ || size_ - at < bytes.size() || !read(at, bytes)) return std::nullopt;
  const auto head = unpack(std::span<const std::uint8_t, kFrameHeadBytes>(bytes));
  return head && plausible(*head) ? head : std::nullopt;
}

bool RecordingFile::payload_good(const FrameRef& frame) {
  const std::uint64_t at = frame.at + kFrameHeadBytes;
  if (frame.head.stored_bytes > size_ - at) return false;
  stored_.resize(frame.head.stored_bytes);
  return read(at, stored_) && checksum(stored_) == frame.head.checksum;
}

void RecordingFile::find_in_row() {
  std::uint64_t at = area_;
  while (at < size_) {
    FrameRef frame{.at = at, .head = {.sequence = frames_.size()}};
    const auto head = head_at(at);
    const std::uint64_t left = size_ - at;
    if (!head) {
      problem_ = left < kFrameHeadBytes ? fmt::format("{} is cut off", frame_name(frame))
                                        : fmt::format("{}: its head is damaged", frame_name(frame));
      return;
    }
    frame.head = *head;
    const bool in_order =
        frames_.empty() ? head->sequence == 0 && head->first_event == 1 : follows(*head, frames_.back().head);
    if (!in_order) {
      problem_ = fmt::format("{} does not follow the one before it", frame_name(frame));
      return;
    }
    if (!payload_good(frame)) {
      problem_ =
          fmt::format("{}{}", frame_name(frame),
                      head->stored_bytes > left - kFrameHeadBytes ? " is cut off" : ": the checksum does not match");
      return;
    }
    frames_.push_back(frame);
    at += kFrameHeadBytes + head->stored_bytes;
  }
}

// Whatever is whole, in the order in which it was written; before the first gap from the end back
// it is older than the ring.
void RecordingFile::find_in_ring() {
  std::vector<FrameRef> found;
  std::uint64_t looked_at = 0;
  const auto align = [](std::uint64_t at) { return (at + kRingAlignment - 1) / kRingAlignment * kRingAlignment; };
  for (std::uint64_t at = align(area_); at < size_ && looked_at <= kMaxPasses * size_;) {
    const auto head = head_at(at);
    FrameRef frame{.at = at, .head = head.value_or(FrameHead{})};
    if (head) looked_at += head->stored_bytes;
    if (head && payload_good(frame)) {
      found.push_back(frame);
      at = align(at + kFrameHeadBytes + head->stored_bytes);
    } else {
      at += kRingAlignment;
    }
  }
  std::ranges::sort(found, {}, [](const FrameRef& f) { return f.head.sequence; });
  std::size_t first = found.size();
  while (first > 0 && (first == found.size() || follows(found[first].head, found[first - 1].head))) --first;
  frames_.assign(found.begin() + static_cast<std::ptrdiff_t>(first), found.end());
}

void RecordingFile::note_end() {
  if (!problem_.empty() || (!frames_.empty() && frames_.back().head.last)) return;
  if (frames_.empty()) {
    problem_ = "cut off before the first event";
    return;
  }
  const FrameHead& head = frames_.back().head;
  const std::uint64_t last = head.first_event + (head.kind == FrameKind::kEvents ? head.events : 0) - 1;
  problem_ = fmt::format("cut off after event {}", last);
}

Result<Bytes> RecordingFile::load(const FrameRef& frame) {
  if (!payload_good(frame)) return fail(frame_name(frame) + ": the checksum does not match");
  Bytes raw(frame.head.raw_bytes);
  const std::size_t n = ZSTD_decompress(raw.data(), raw.size(), stored_.data(), stored_.size());
  if (ZSTD_isError(n) != 0 || n != raw.size()) return fail(frame_name(frame) + ": it cannot be decompressed");
  return raw;
}

}  // namespace faultline::vmm::recording
