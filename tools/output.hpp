// Standard output of a command that prints much: buffered, and it knows when nobody reads on.
#pragma once

#include <fmt/format.h>

#include <string_view>

namespace faultline::tools {

class Output {
 public:
  // What is to be printed is appended here.
  fmt::memory_buffer& buffer() { return buffer_; }
  // Writes the buffer once it is large. False: it could not be written, stop.
  bool keep_up() { return buffer_.size() < kLarge || flush(); }
  bool flush();
  // 0, or what to leave with: 125 after a line on standard error, silently 141 after a closed pipe.
  int finish();

 private:
  static constexpr std::size_t kLarge = 64 << 10;
  fmt::memory_buffer buffer_;
  int error_ = 0;  // errno of the write that failed
};

// Of a command that prints once: `status`, or what Output::finish() says where it could not be printed.
int print(std::string_view text, int status);

}  // namespace faultline::tools
