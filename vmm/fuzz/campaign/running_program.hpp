// The program that a job runs, in a mapped file: it is there when the job is not any more.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

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

  // The job, before each program; `who` is about to run it.
  void set(const Program& program);
  void set_judge(std::string_view judge);
  void clear();

  // Anybody: what stands there, if it is whole.
  [[nodiscard]] std::optional<Program> program() const;
  [[nodiscard]] std::string judge() const;
  // Changes with each set().
  [[nodiscard]] std::uint64_t turn() const;

  // What the file of a dead job holds; the file goes. Nothing: its job lives, or it holds nothing.
  static std::optional<Program> take_over(const std::string& path);

 private:
  struct Page;
  RunningProgram(std::string path, Descriptor file, Page* page, int creator)
      : path_(std::move(path)), file_(std::move(file)), page_(page), creator_(creator) {}
  static std::optional<Program> read(const Page& page);

  std::string path_;
  Descriptor file_;
  Page* page_;
  int creator_;
};

}  // namespace faultline::vmm::fuzz
