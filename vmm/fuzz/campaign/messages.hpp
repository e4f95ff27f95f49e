// What a job tells its parent, through a pipe.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

namespace faultline::vmm::fuzz {

enum class Message : std::uint8_t {
  kFeatures,  // new ones, 32 bits each
  kFinding,   // its folder, a line feed, and what it is in one line
  kNote,      // one line for the user
  kFatal,     // why the job cannot go on; the campaign ends
  kJudges,    // their names, a line each
};

// Writes whole messages: a reader never sees a part of one, even if the writer is killed.
class MessageWriter {
 public:
  explicit MessageWriter(int fd) : fd_(fd) {}
  void features(std::span<const std::uint32_t> features) const;
  void text(Message kind, std::string_view text) const;

 private:
  void send(Message kind, std::span<const std::byte> bytes) const;
  int fd_;
};

// The other end, which does not block.
class MessageReader {
 public:
  using Handler = std::function<void(Message, std::span<const std::byte>)>;
  explicit MessageReader(int fd) : fd_(fd) {}
  // Hands over what is there.
  void drain(const Handler& handler);

 private:
  int fd_;
  std::vector<std::byte> buffer_;
};

}  // namespace faultline::vmm::fuzz
