#include "tools/export_command.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <optional>

#include "tools/complain.hpp"
#include "vmm/export/folded_stacks.hpp"
#include "vmm/export/trace_writer.hpp"
#include "vmm/run/exit_status.hpp"

namespace faultline::tools {

namespace {

using vmm::recording::Event;
using vmm::recording::Reader;

constexpr std::size_t kChunk = 1 << 20;

// A file or standard output. The first failure is kept, and nothing is written after it.
class OutputFile {
 public:
  explicit OutputFile(const std::string& path) : name_(path == "-" ? "standard output" : path) {
    std::signal(SIGPIPE, SIG_IGN);  // a closed pipe is an error like any other
    if (path == "-") {
      fd_ = STDOUT_FILENO;
      return;
    }
    fd_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd_ < 0) error_ = errno;
  }
  ~OutputFile() {
    if (fd_ > STDOUT_FILENO) ::close(fd_);
  }
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  [[nodiscard]] bool good() const { return error_ == 0; }
  void write(fmt::memory_buffer& bytes) {
    for (std::size_t at = 0; good() && at < bytes.size();) {
      const ssize_t n = ::write(fd_, bytes.data() + at, bytes.size() - at);
      if (n > 0) at += static_cast<std::size_t>(n);
      if (n < 0 && errno != EINTR) error_ = errno;
    }
    bytes.clear();
  }
  int close() {
    if (fd_ > STDOUT_FILENO && ::close(fd_) != 0 && good()) error_ = errno;
    fd_ = -1;
    if (good()) return 0;
    if (error_ == EPIPE) return 128 + SIGPIPE;
    complain(fmt::format("cannot write {}: {}", name_, std::strerror(error_)));
    return vmm::kExitHarness;
  }

 private:
  std::string name_;
  int fd_ = -1, error_ = 0;
};

// Names of processes are needed whatever the filter lets pass.
bool wanted(const vmm::inspect::Filter& filter, const Event& event) {
  return std::holds_alternative<vmm::recording::ProcessChange>(event.body) || filter.matches(event);
}

void write_trace(Reader& reader, const vmm::inspect::Filter& filter, OutputFile& output) {
  fmt::memory_buffer buffer;
  vmm::exports::TraceWriter writer(buffer, reader.info());
  while (output.good()) {
    const std::optional<Event> event = reader.next();
    if (!event) break;
    if (wanted(filter, *event)) writer.add(*event);
    if (buffer.size() >= kChunk) output.write(buffer);
  }
  writer.finish(reader.problem());
  buffer.push_back('\n');
  output.write(buffer);
}

void write_folded(Reader& reader, const vmm::inspect::Filter& filter, vmm::exports::Weight weight, OutputFile& output) {
  vmm::exports::FoldedStacks stacks;
  while (const std::optional<Event> event = reader.next())
    if (wanted(filter, *event)) stacks.add(*event);
  fmt::memory_buffer buffer;
  stacks.append(buffer, weight);
  output.write(buffer);
}

}  // namespace

int export_recording(Reader& reader, const vmm::inspect::Filter& filter, ExportFormat format, const std::string& out) {
  OutputFile output(out);
  switch (format) {
    case ExportFormat::kTrace: write_trace(reader, filter, output); break;
    case ExportFormat::kFolded: write_folded(reader, filter, vmm::exports::Weight::kNanoseconds, output); break;
    case ExportFormat::kFoldedCounts: write_folded(reader, filter, vmm::exports::Weight::kCount, output); break;
  }
  return output.close();
}

}  // namespace faultline::tools
