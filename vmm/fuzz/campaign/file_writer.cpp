#include "vmm/fuzz/campaign/file_writer.hpp"

#include <utility>

#include "vmm/fuzz/campaign/files.hpp"

namespace faultline::vmm::fuzz {

FileWriter::~FileWriter() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard guard(lock_);
    over_ = true;
  }
  more_.notify_one();
  thread_.join();
}

Result<void> FileWriter::write(std::string name, std::vector<std::byte> bytes) {
  const std::lock_guard guard(lock_);
  if (!thread_.joinable()) thread_ = std::thread([this] { work(); });
  files_.push_back({std::move(name), std::move(bytes)});
  more_.notify_one();
  return result_;
}

Result<void> FileWriter::finish() {
  std::unique_lock guard(lock_);
  done_.wait(guard, [this] { return files_.empty(); });
  return result_;
}

void FileWriter::work() {
  std::unique_lock guard(lock_);
  for (;;) {
    more_.wait(guard, [this] { return !files_.empty() || over_; });
    if (files_.empty()) return;
    const File& file = files_.front();  // stays where it is: others are only added behind it
    guard.unlock();
    auto written = write_whole(folder_, file.name, file.bytes);
    guard.lock();
    if (!written && result_) result_ = std::move(written);
    files_.pop_front();
    if (files_.empty()) done_.notify_all();
  }
}

}  // namespace faultline::vmm::fuzz
