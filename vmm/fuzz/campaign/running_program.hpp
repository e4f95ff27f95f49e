// The programs that a job runs, in a mapped file: they are there when the job is not any more. One at
// the first place; and more for each judge that is at work apart.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "mmu/base/result.hpp"
#include "vmm/fuzz/campaign/files.hpp"
#include "vmm/fuzz/program.hpp"

namespace faultline::vmm::fuzz {

class RunningProgram {
 public:
  // Of one job; its file is removed with the object, by the process that made it. The lock on the
  // file goes with the last process that has it, which is how the dead are told.
  static Result<RunningProgram> create(const std::string& folder, unsigned job);
  RunningProgram(RunningProgram&& other) noexcept;
  RunningProgram& operator=(RunningProgram&&) = delete;
  ~RunningProgram();

  // For the job, and for two judges that are apart, which may have so many under way at once.
  static constexpr std::size_t kTogether = 16, kPlaces = 1 + 2 * kTogether;
  // The job, before each program; `judge` is about to run it. Each place is one thread's.
  void set(const Program& program, std::size_t place = 0);
  void set_judge(std::string_view judge, std::size_t place = 0);
  void clear(std::size_t place = 0);

  struct Entry {
    Program program;
    std::string judge;
  };
  // Anybody: what stands there, as far as it is whole; judges that are apart first.
  [[nodiscard]] std::vector<Entry> entries() const;
  // Changes with each set().
  [[nodiscard]] std::uint64_t turn() const;

  // What the file of a dead job holds; the file goes. Nothing: its job lives, or it holds nothing.
  static std::vector<Program> take_over(const std::string& path);

 private:
  struct Page;
  RunningProgram(std::string path, FileDescriptor file, Page* page, int creator)
      : path_(std::move(path)), file_(std::move(file)), page_(page), creator_(creator) {}
  static std::vector<Entry> read(const Page& page);

  std::string path_;
  FileDescriptor file_;
  Page* page_;
  int creator_;
};

}  // namespace faultline::vmm::fuzz
