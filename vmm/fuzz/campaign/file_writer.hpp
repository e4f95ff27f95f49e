// Writes files behind whoever has them to be written: to synchronise one with the disk takes
// milliseconds, in which a guest would run out of programs.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "mmu/base/result.hpp"

namespace faultline::vmm::fuzz {

class FileWriter {
 public:
  // Its thread begins with the first file: a process that writes none may fork.
  explicit FileWriter(std::string folder) : folder_(std::move(folder)) {}
  // Writes what is left.
  ~FileWriter();
  FileWriter(const FileWriter&) = delete;
  FileWriter& operator=(const FileWriter&) = delete;

  // As write_whole(), sooner or later. Error: of a file before it.
  Result<void> write(std::string name, std::vector<std::byte> bytes);
  // Waits until all of them are written. Error: the first that there was.
  Result<void> finish();

 private:
  struct File {
    std::string name;
    std::vector<std::byte> bytes;
  };
  void work();

  std::string folder_;
  std::mutex lock_;  // of what follows
  std::condition_variable more_, done_;
  std::deque<File> files_;  // the first is being written
  Result<void> result_;
  bool over_ = false;
  std::thread thread_;
};

}  // namespace faultline::vmm::fuzz
