// A file whose pages stay in the host's page cache for the life of the object, whatever reclaims
// there: what a guest's fault finds cached is the same each time.
#pragma once

#include <cstddef>
#include <string>

namespace faultline::test {

class PinnedFile {
 public:
  explicit PinnedFile(const std::string& path);
  ~PinnedFile();
  PinnedFile(PinnedFile&& other) noexcept;
  PinnedFile& operator=(PinnedFile&&) = delete;

  // False where this process may not lock that much.
  [[nodiscard]] bool pinned() const { return pinned_; }

 private:
  void* mapping_ = nullptr;
  std::size_t bytes_ = 0;
  bool pinned_ = false;
};

}  // namespace faultline::test
