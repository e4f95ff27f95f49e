#include "tools/output.hpp"

#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#include "tools/complain.hpp"
#include "vmm/run/exit_status.hpp"

namespace faultline::tools {

bool Output::flush() {
  const char* at = buffer_.data();
  std::size_t left = error_ == 0 ? buffer_.size() : 0;
  while (left > 0) {
    const ssize_t n = ::write(STDOUT_FILENO, at, left);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      error_ = errno;
      break;
    }
    at += n;
    left -= static_cast<std::size_t>(n);
  }
  buffer_.clear();
  return error_ == 0;
}

int Output::finish() {
  if (flush()) return 0;
  if (error_ == EPIPE) return 128 + SIGPIPE;
  complain(fmt::format("standard output: {}", std::strerror(error_)));
  return vmm::kExitHarness;
}

int print(std::string_view text, int status) {
  Output output;
  output.buffer().append(text);
  const int failed = output.finish();
  return failed != 0 ? failed : status;
}

}  // namespace faultline::tools
