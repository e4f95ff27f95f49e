// A folder of a test's own, gone with the object.
#pragma once

#include <map>
#include <string>

namespace faultline::test {

class ScratchFolder {
 public:
  ScratchFolder();
  ~ScratchFolder();
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string path(const std::string& name) const { return path_ + "/" + name; }

  // Writes a file with a modification time that is always the same.
  void write(const std::string& name, const std::string& bytes) const;
  // Removes everything in the folder, not the folder.
  void clear() const;
  // Every file below with its contents, every folder with a "/" and every FIFO with a "|"
  // behind its name.
  [[nodiscard]] std::map<std::string, std::string> contents() const;

 private:
  std::string path_;
};

}  // namespace faultline::test
