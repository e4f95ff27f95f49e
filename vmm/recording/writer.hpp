// Writes a recording. Events gather in a frame that is compressed and written when it is full, or
// after a quarter of a second by a thread of its own: what is lost when the process is killed is
// that much. The last event is an End.
//
// A write that fails (disk full) is reported once through Options::on_error; later events are
// counted as lost and close() says how many. In a plain file a torn frame is cut off.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "mmu/base/result.hpp"
#include "vmm/recording/codec.hpp"
#include "vmm/recording/file_format.hpp"

namespace faultline::vmm::recording {

struct WriterOptions {
  // 0: all is kept. Else the file never grows larger, the oldest frames are overwritten.
  std::uint64_t ring_bytes = 0;
  std::chrono::milliseconds flush_after{250};       // 0: only full frames are written, and by close()
  std::function<void(const Error&)> on_error = {};  // called with the writer locked: must not use it
};

class Writer {
 public:
  static constexpr std::uint64_t kMinRingBytes = 128 << 10;

  // Creates or truncates the file; RunInfo::ring_bytes is set from the options.
  static Result<std::unique_ptr<Writer>> open(const std::string& path, RunInfo info, WriterOptions options = {});
  ~Writer();
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  // Each returns the event's number.
  std::uint64_t append(std::uint64_t time_ns, std::uint32_t process, const Body& body);
  std::uint64_t append(std::uint64_t time_ns, std::uint32_t process, const FaultParts& fault);

  // So much was written since the last keyframe that it is time for another: the caller then
  // says with keyframe_event() what the machine is like now, and ends with end_keyframe().
  [[nodiscard]] bool wants_keyframe() const;
  void keyframe_event(std::uint64_t time_ns, std::uint32_t process, const Body& body);
  void end_keyframe();

  // Writes what is pending and says whether all was written; the error names the file, the reason
  // and how many events are lost. Further events are lost.
  Result<void> close();

  [[nodiscard]] std::uint64_t events() const;
  [[nodiscard]] std::uint64_t lost() const;
  [[nodiscard]] std::uint64_t bytes_written() const;

 private:
  Writer(int fd, std::string name, RunInfo info, WriterOptions options);
  template <class What>
  std::uint64_t append_any(std::uint64_t time_ns, std::uint32_t process, const What& what);
  void flush_regularly();
  void seal(FrameKind kind);
  bool store(std::uint64_t at, std::span<const std::uint8_t> bytes);
  [[nodiscard]] std::uint64_t place(std::uint64_t bytes);
  void give_up(int error_number);

  mutable std::mutex mutex_;
  const int fd_;
  const std::string name_;
  const WriterOptions options_;
  struct Compressor;
  std::unique_ptr<Compressor> compressor_;  // guarded by mutex_, as all below
  Encoder encoder_;
  bool in_keyframe_ = false;
  std::uint32_t pending_ = 0;  // events in the encoder
  bool ended_ = false;         // the last event is an End
  std::uint64_t next_event_ = 1, sequence_ = 0, base_ns_ = 0, last_ns_ = 0;
  std::uint64_t area_ = 0, end_ = 0;  // where frames begin; where the next one goes
  std::uint64_t stored_ = 0;          // bytes of events and head that were written
  std::uint64_t since_keyframe_ = 0, keyframe_bytes_ = 0, keyframe_every_ = 0;
  std::uint64_t lost_ = 0;
  std::string failure_;  // empty: none so far
  bool closed_ = false;
  std::condition_variable wake_;
  std::thread flusher_;
};

}  // namespace faultline::vmm::recording
