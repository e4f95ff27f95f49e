#include "tests/support/scratch_folder.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace faultline::test {
namespace fs = std::filesystem;

ScratchFolder::ScratchFolder() : path_((fs::temp_directory_path() / "faultline-test-XXXXXX").string()) {
  if (::mkdtemp(path_.data()) == nullptr) std::abort();
}

ScratchFolder::~ScratchFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

void ScratchFolder::write(const std::string& name, const std::string& bytes) const {
  std::ofstream(path(name), std::ios::binary) << bytes;
  const timespec times[2] = {{1'000'000'000, 0}, {1'000'000'000, 0}};
  ::utimensat(AT_FDCWD, path(name).c_str(), times, 0);
}

void ScratchFolder::clear() const {
  for (const auto& entry : fs::directory_iterator(path_)) fs::remove_all(entry);
}

std::map<std::string, std::string> ScratchFolder::contents() const {
  std::map<std::string, std::string> found;
  for (const auto& entry : fs::recursive_directory_iterator(path_)) {
    const std::string name = fs::relative(entry.path(), path_).string();
    if (entry.is_symlink()) {
      found[name + " ->"] = fs::read_symlink(entry.path()).string();
    } else if (entry.is_directory()) {
      found[name + "/"] = "";
    } else if (entry.is_fifo()) {
      found[name + "|"] = "";  // to read it would be to wait for a writer
    } else {
      std::ifstream file(entry.path(), std::ios::binary);
      found[name] = std::string(std::istreambuf_iterator<char>(file), {});
    }
  }
  return found;
}

}  // namespace faultline::test
