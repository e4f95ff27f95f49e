// Where fault records go: a file or standard error, as text or JSON Lines. Buffered; what is
// buffered is written by flush(), close() and the destructor. Any thread may call it.
//
// A write that fails (disk full, closed pipe) is reported once through Options::on_error, at
// once; later records are counted as lost and close() says how many. In a regular file the
// last record is whole: a torn one is cut off. The process must ignore SIGPIPE.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "mmu/base/result.hpp"
#include "vmm/record/format.hpp"

namespace faultline::vmm {

enum class LogFormat : std::uint8_t { kText, kJsonLines };

class FaultLog {
 public:
  struct Options {
    LogFormat format = LogFormat::kText;
    Colour colour = Colour::kNever;
    std::size_t buffer_bytes = 64 << 10;              // 0: every record is written at once
    std::function<void(const Error&)> on_error = {};  // called with the log locked: must not use it
  };

  // Creates or truncates the file at `path`; "-" is standard error.
  static Result<std::unique_ptr<FaultLog>> open(const std::string& path, Options options);
  // Writes to a descriptor that the caller keeps open and closes. `name` is for messages.
  static std::unique_ptr<FaultLog> on_descriptor(int fd, std::string name, Options options);
  ~FaultLog();
  FaultLog(const FaultLog&) = delete;
  FaultLog& operator=(const FaultLog&) = delete;

  void write(const FaultRecord& record);
  // A report of several lines (vmm/record/report.hpp). In JSON Lines it becomes one object with
  // the key "report". Always flushed.
  void write_report(std::string_view report);
  // False once something could not be written.
  bool flush();
  // Flushes and says whether everything was written; the error names the file, the reason and
  // how many records are lost. Further writes are lost.
  Result<void> close();

  [[nodiscard]] std::uint64_t written() const;  // records that reached the descriptor
  [[nodiscard]] std::uint64_t lost() const;

 private:
  FaultLog(int fd, bool owned, std::string name, Options options);
  bool flush_locked();
  void give_up(int error_number);

  mutable std::mutex mutex_;
  const int fd_;
  const bool owned_;
  const std::string name_;
  const Options options_;
  fmt::memory_buffer buffer_;      // guarded by mutex_, as all below
  std::vector<std::size_t> ends_;  // where each record in buffer_ ends
  std::uint64_t written_ = 0, lost_ = 0;
  std::uint64_t good_bytes_ = 0;  // file size up to the last whole record
  std::string failure_;           // empty: none so far
  bool closed_ = false;
};

}  // namespace faultline::vmm
