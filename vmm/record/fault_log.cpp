#include "vmm/record/fault_log.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <utility>

#include "vmm/record/json_writer.hpp"

namespace faultline::vmm {

namespace {

// Writes all of it; the errno of the first failure, 0 for none. `done`: bytes that went out.
int write_all(int fd, std::string_view bytes, std::size_t& done) {
  for (done = 0; done < bytes.size();) {
    const ssize_t n = ::write(fd, bytes.data() + done, bytes.size() - done);
    if (n > 0) {
      done += static_cast<std::size_t>(n);
    } else if (n == 0) {
      return EIO;
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      pollfd wait{.fd = fd, .events = POLLOUT, .revents = 0};
      ::poll(&wait, 1, -1);
    } else if (errno != EINTR) {
      return errno;
    }
  }
  return 0;
}

}  // namespace

Result<std::unique_ptr<FaultLog>> FaultLog::open(const std::string& path, Options options) {
  if (path == "-") return on_descriptor(STDERR_FILENO, "standard error", std::move(options));
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (fd < 0) return fail(fmt::format("cannot open the fault log {}: {}", path, std::strerror(errno)));
  return std::unique_ptr<FaultLog>(new FaultLog(fd, true, path, std::move(options)));
}

std::unique_ptr<FaultLog> FaultLog::on_descriptor(int fd, std::string name, Options options) {
  return std::unique_ptr<FaultLog>(new FaultLog(fd, false, std::move(name), std::move(options)));
}

FaultLog::FaultLog(int fd, bool owned, std::string name, Options options)
    : fd_(fd), owned_(owned), name_(std::move(name)), options_(std::move(options)) {}

FaultLog::~FaultLog() {
  (void)close();
  if (owned_) ::close(fd_);
}

void FaultLog::write(const FaultRecord& record) {
  const std::scoped_lock lock(mutex_);
  if (closed_ || !failure_.empty()) {
    ++lost_;
    return;
  }
  if (options_.format == LogFormat::kJsonLines) {
    append_json(buffer_, record);
  } else {
    append_text(buffer_, record, options_.colour);
  }
  ends_.push_back(buffer_.size());
  if (buffer_.size() > options_.buffer_bytes) flush_locked();
}

void FaultLog::write_report(std::string_view report) {
  const std::scoped_lock lock(mutex_);
  if (closed_ || !failure_.empty()) {
    ++lost_;
    return;
  }
  if (options_.format == LogFormat::kJsonLines) {
    JsonWriter w(buffer_);
    w.begin_object();
    w.key("version").number(kFaultRecordVersion);
    w.key("report").string(report);
    w.end_object();
    buffer_.push_back('\n');
  } else {
    buffer_.append(report.data(), report.data() + report.size());
  }
  ends_.push_back(buffer_.size());
  flush_locked();
}

bool FaultLog::flush() {
  const std::scoped_lock lock(mutex_);
  return flush_locked();
}

Result<void> FaultLog::close() {
  const std::scoped_lock lock(mutex_);
  if (!closed_) flush_locked();
  closed_ = true;
  if (failure_.empty()) return {};
  return fail(fmt::format("{}: {} of {} records are lost", failure_, lost_, lost_ + written_));
}

std::uint64_t FaultLog::written() const {
  const std::scoped_lock lock(mutex_);
  return written_;
}

std::uint64_t FaultLog::lost() const {
  const std::scoped_lock lock(mutex_);
  return lost_;
}

bool FaultLog::flush_locked() {
  if (!failure_.empty()) return false;
  if (buffer_.size() == 0) return true;
  std::size_t done = 0;
  const int error = write_all(fd_, {buffer_.data(), buffer_.size()}, done);
  std::size_t whole = 0;  // bytes of records that went out whole
  for (const std::size_t end : ends_) {
    ++(end <= done ? written_ : lost_);
    if (end <= done) whole = end;
  }
  good_bytes_ += whole;
  ends_.clear();
  buffer_.clear();
  if (error != 0) give_up(error);
  return error == 0;
}

void FaultLog::give_up(int error_number) {
  failure_ = fmt::format("cannot write the fault log {}: {}", name_, std::strerror(error_number));
  // A torn record at the end would make the file invalid. Only a file of our own starts at zero.
  struct stat file {};
  if (owned_ && ::fstat(fd_, &file) == 0 && S_ISREG(file.st_mode) &&
      ::ftruncate(fd_, static_cast<off_t>(good_bytes_)) != 0)
    failure_ += ", and its last record is torn";
  if (options_.on_error) options_.on_error(Error{failure_});
}

}  // namespace faultline::vmm
