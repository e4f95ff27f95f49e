// Finds the frames of a recording's file, each with its checksums verified: one after the other in a
// plain file; anywhere in a ring, of which the latest unbroken row counts.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "mmu/base/result.hpp"
#include "vmm/recording/file_format.hpp"

namespace faultline::vmm::recording {

struct FrameRef {
  std::uint64_t at = 0;  // byte of its head
  FrameHead head;
};

class RecordingFile {
 public:
  // Reads the head and finds the frames. Error: one line that names the file.
  static Result<std::unique_ptr<RecordingFile>> open(const std::string& path);
  ~RecordingFile();
  RecordingFile(const RecordingFile&) = delete;
  RecordingFile& operator=(const RecordingFile&) = delete;

  [[nodiscard]] const FileInfo& info() const { return info_; }
  [[nodiscard]] const std::vector<FrameRef>& frames() const { return frames_; }
  // Why the row of frames ends before the recording did; empty: it does not.
  [[nodiscard]] const std::string& problem() const { return problem_; }
  // The events of a frame as encoded. Error: why it is no use.
  Result<Bytes> load(const FrameRef& frame);

 private:
  RecordingFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  Result<void> read_head();
  bool read(std::uint64_t at, std::span<std::uint8_t> to) const;
  [[nodiscard]] std::optional<FrameHead> head_at(std::uint64_t at) const;
  bool payload_good(const FrameRef& frame);
  void find_in_row();
  void find_in_ring();
  void note_end();

  int fd_;
  std::string path_;
  std::uint64_t size_ = 0, area_ = 0;
  FileInfo info_;
  std::vector<FrameRef> frames_;
  std::string problem_;
  Bytes stored_;  // reused
};

}  // namespace faultline::vmm::recording
