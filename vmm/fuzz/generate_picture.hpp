// A rough picture of what a program has mapped so far, for choosing what comes next. Nobody
// depends on its being right: it forgets what calls refuse for rarer reasons.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "vmm/fuzz/layout.hpp"
#include "vmm/fuzz/program.hpp"

namespace faultline::vmm::fuzz {

class Picture {
 public:
  struct Region {
    std::uint64_t start = 0, end = 0;
    std::uint8_t protection = 0, flags = 0;  // of kMap
    FileOperand file = FileOperand::kNone;
    std::uint64_t offset = 0;  // bytes, of `start`
  };
  // A stretch that an operation dealt with lately.
  struct Stretch {
    std::uint64_t start = 0, bytes = 0;
  };

  Picture();
  void follow(const Operation& operation);

  // Of the current process, in no order.
  [[nodiscard]] const std::vector<Region>& regions() const { return processes_[current_].regions; }
  [[nodiscard]] std::uint64_t file_bytes(FileOperand file) const { return sizes_[static_cast<std::size_t>(file)]; }
  [[nodiscard]] bool alive(unsigned process) const { return processes_[process].alive; }
  [[nodiscard]] unsigned alive() const;
  [[nodiscard]] unsigned current() const { return current_; }
  // Newest last, at most kRecent.
  [[nodiscard]] const std::vector<Stretch>& recent() const { return recent_; }
  [[nodiscard]] const Region* region_at(std::uint64_t address) const;

 private:
  static constexpr std::size_t kRecent = 6;
  struct Process {
    bool alive = false;
    std::vector<Region> regions;
  };

  void follow_map(const Operation& operation);
  void follow_remap(const Operation& operation);
  void follow_process(const Operation& operation);
  void carve(std::uint64_t start, std::uint64_t end);
  void note(std::uint64_t start, std::uint64_t bytes);
  std::vector<Region>& mine() { return processes_[current_].regions; }

  std::array<Process, kMaxProcesses> processes_;
  unsigned current_ = 0;
  std::array<std::uint64_t, kFiles + 1> sizes_{0, kFileBytes, kFileBytes};
  std::vector<Stretch> recent_;
};

}  // namespace faultline::vmm::fuzz
