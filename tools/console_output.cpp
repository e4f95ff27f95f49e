#include "tools/console_output.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "tools/complain.hpp"
#include "vmm/run/exit_status.hpp"

namespace faultline::tools {

void ConsoleOutput::write(std::string_view text) {
  while (!text.empty() && error_ == 0) {
    const ssize_t written = ::write(STDOUT_FILENO, text.data(), text.size());
    if (written >= 0) {
      text.remove_prefix(static_cast<std::size_t>(written));
    } else if (errno != EINTR) {
      error_ = errno;
    } else if (ending_ && ending_()) {
      return;
    }
  }
}

int ConsoleOutput::finish(int status) const {
  if (error_ == 0 || error_ == EPIPE) return status;
  return complain_with(vmm::kExitHarness, fmt::format("standard output: {}", std::strerror(error_)));
}

}  // namespace faultline::tools
