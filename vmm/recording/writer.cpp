#include "vmm/recording/writer.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>
#include <zstd.h>

#include <algorithm>
#include <cstring>

namespace faultline::vmm::recording {

namespace {

constexpr int kCompressionLevel = 3;
// Between keyframes of a plain recording: they are for seeking alone.
constexpr std::uint64_t kPlainKeyframeBytes = 2 << 20;
// A keyframe is written when so many times its size went by: an eighth of a plain file at most.
constexpr std::uint64_t kPlainKeyframeShare = 8, kRingKeyframeShare = 2, kRingKeyframes = 4;

// Signals are the other threads' business.
std::thread start_without_signals(auto work) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread thread(work);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return thread;
}

}  // namespace

struct Writer::Compressor {
  ZSTD_CCtx* context = ZSTD_createCCtx();
  Bytes frame;  // head and stored payload, reused

  ~Compressor() { ZSTD_freeCCtx(context); }
  // The payload of `frame`, behind the room for its head.
  std::span<const std::uint8_t> compress(std::span<const std::uint8_t> raw) {
    frame.resize(kFrameHeadBytes + ZSTD_compressBound(raw.size()));
    const std::size_t n = ZSTD_compressCCtx(context, frame.data() + kFrameHeadBytes, frame.size() - kFrameHeadBytes,
                                            raw.data(), raw.size(), kCompressionLevel);
    FL_CHECK(ZSTD_isError(n) == 0);  // there is room, and no parameter is out of range
    frame.resize(kFrameHeadBytes + n);
    return std::span(frame).subspan(kFrameHeadBytes);
  }
};

Result<std::unique_ptr<Writer>> Writer::open(const std::string& path, RunInfo info, WriterOptions options) {
  if (options.ring_bytes != 0 && options.ring_bytes < kMinRingBytes)
    return fail(fmt::format("a recording of bounded size takes {} bytes at least", kMinRingBytes));
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (fd < 0) return fail(fmt::format("cannot open the recording {}: {}", path, std::strerror(errno)));
  // Frames are placed, the last one may be cut off: neither can be done to a pipe.
  if (::lseek(fd, 0, SEEK_CUR) < 0) {
    ::close(fd);
    return fail(fmt::format("cannot record to {}: not a regular file", path));
  }
  info.ring_bytes = options.ring_bytes;
  return std::unique_ptr<Writer>(new Writer(fd, path, std::move(info), std::move(options)));
}

Writer::Writer(int fd, std::string name, RunInfo info, WriterOptions options)
    : fd_(fd),
      name_(std::move(name)),
      options_(std::move(options)),
      compressor_(std::make_unique<Compressor>()),
      encoder_(info.mode) {
  encoder_.begin(0);
  const Bytes head = pack(info);
  if (!store(0, head)) return;
  const bool ring = options_.ring_bytes != 0;
  area_ = end_ = ring ? (head.size() + kRingAlignment - 1) / kRingAlignment * kRingAlignment : head.size();
  keyframe_every_ = ring ? options_.ring_bytes / kRingKeyframes : kPlainKeyframeBytes;
  if (options_.flush_after.count() != 0) flusher_ = start_without_signals([this] { flush_regularly(); });
}

Writer::~Writer() {
  (void)close();
  ::close(fd_);
}

template <class What>
std::uint64_t Writer::append_any(std::uint64_t time_ns, std::uint32_t process, const What& what) {
  const std::scoped_lock lock(mutex_);
  const std::uint64_t number = next_event_++;
  last_ns_ = time_ns;
  if (closed_ || !failure_.empty()) {
    ++lost_;
    return number;
  }
  encoder_.add(time_ns, process, what);
  ++pending_;
  if constexpr (std::is_same_v<What, Body>) ended_ = std::holds_alternative<End>(what);
  if (ended_ || encoder_.bytes().size() >= kFrameBytes) seal(FrameKind::kEvents);
  return number;
}

std::uint64_t Writer::append(std::uint64_t time_ns, std::uint32_t process, const Body& body) {
  return append_any(time_ns, process, body);
}

std::uint64_t Writer::append(std::uint64_t time_ns, std::uint32_t process, const FaultParts& fault) {
  return append_any(time_ns, process, fault);
}

bool Writer::wants_keyframe() const {
  const std::scoped_lock lock(mutex_);
  return failure_.empty() && !closed_ && since_keyframe_ >= keyframe_every_;
}

void Writer::keyframe_event(std::uint64_t time_ns, std::uint32_t process, const Body& body) {
  const std::scoped_lock lock(mutex_);
  if (!in_keyframe_) {
    seal(FrameKind::kEvents);
    in_keyframe_ = true;
    keyframe_bytes_ = 0;
  }
  encoder_.add(time_ns, process, body);
  ++pending_;
  if (encoder_.bytes().size() >= kFrameBytes) seal(FrameKind::kKeyframe);
}

void Writer::end_keyframe() {
  const std::scoped_lock lock(mutex_);
  seal(FrameKind::kKeyframeLast);
  in_keyframe_ = false;
  since_keyframe_ = 0;
  const bool ring = options_.ring_bytes != 0;
  keyframe_every_ = std::max(ring ? options_.ring_bytes / kRingKeyframes : kPlainKeyframeBytes,
                             keyframe_bytes_ * (ring ? kRingKeyframeShare : kPlainKeyframeShare));
}

void Writer::flush_regularly() {
  std::unique_lock lock(mutex_);
  while (!closed_) {
    wake_.wait_for(lock, options_.flush_after);
    if (!closed_ && !in_keyframe_) seal(FrameKind::kEvents);
  }
}

// Where in the file a frame of that size goes.
std::uint64_t Writer::place(std::uint64_t bytes) {
  if (options_.ring_bytes == 0) return end_;
  const std::uint64_t at = (end_ + kRingAlignment - 1) / kRingAlignment * kRingAlignment;
  return at + bytes <= options_.ring_bytes ? at : area_;
}

// Compresses and writes what is pending, and begins the next frame.
void Writer::seal(FrameKind kind) {
  // The end of a keyframe is marked even where nothing is left to say.
  if (!failure_.empty() || (pending_ == 0 && kind == FrameKind::kEvents)) return;
  const auto raw = encoder_.bytes();
  const auto payload = compressor_->compress(raw);
  const FrameHead head{.kind = kind,
                       .last = ended_ && kind == FrameKind::kEvents,
                       .events = pending_,
                       .sequence = sequence_,
                       .first_event = kind == FrameKind::kEvents ? next_event_ - pending_ : next_event_,
                       .base_ns = base_ns_,
                       .raw_bytes = static_cast<std::uint32_t>(raw.size()),
                       .stored_bytes = static_cast<std::uint32_t>(payload.size()),
                       .checksum = checksum(payload)};
  const auto packed = pack(head);
  Bytes& frame = compressor_->frame;
  std::ranges::copy(packed, frame.begin());
  const std::uint64_t at = place(frame.size());
  if (store(at, frame)) {
    end_ = at + frame.size();
    (kind == FrameKind::kEvents ? since_keyframe_ : keyframe_bytes_) += frame.size();
    ++sequence_;
  }
  pending_ = 0;
  base_ns_ = last_ns_;
  encoder_.begin(base_ns_);
}

bool Writer::store(std::uint64_t at, std::span<const std::uint8_t> bytes) {
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t n = ::pwrite(fd_, bytes.data() + done, bytes.size() - done, static_cast<off_t>(at + done));
    if (n > 0) {
      done += static_cast<std::size_t>(n);
    } else if (n == 0 || errno != EINTR) {
      give_up(n == 0 ? EIO : errno);
      return false;
    }
  }
  stored_ += done;
  return true;
}

void Writer::give_up(int error_number) {
  failure_ = fmt::format("cannot write the recording {}: {}", name_, std::strerror(error_number));
  if (!in_keyframe_) lost_ += pending_;
  if (options_.ring_bytes == 0 && end_ != 0) {
    // A torn frame is no use; without the cut the reader finds out by itself.
    static_cast<void>(::ftruncate(fd_, static_cast<off_t>(end_)));
  }
  if (options_.on_error) options_.on_error(Error{failure_});
}

Result<void> Writer::close() {
  {
    const std::scoped_lock lock(mutex_);
    if (!closed_) {
      closed_ = true;
      seal(FrameKind::kEvents);
    }
  }
  wake_.notify_one();
  if (flusher_.joinable()) flusher_.join();
  if (failure_.empty()) return {};
  return fail(fmt::format("{}: {} of {} events are lost", failure_, lost_, next_event_ - 1));
}

std::uint64_t Writer::events() const {
  const std::scoped_lock lock(mutex_);
  return next_event_ - 1;
}

std::uint64_t Writer::lost() const {
  const std::scoped_lock lock(mutex_);
  return lost_;
}

std::uint64_t Writer::bytes_written() const {
  const std::scoped_lock lock(mutex_);
  return stored_;
}

}  // namespace faultline::vmm::recording
