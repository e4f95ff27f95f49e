// A job as its parent has it: a process, its pipe, what it runs, what it said.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>

#include "vmm/fuzz/campaign/crash.hpp"
#include "vmm/fuzz/campaign/worker.hpp"

namespace faultline::vmm::fuzz {

class Job {
 public:
  static Result<Job> create(const CampaignDirectory& directory, unsigned number);

  // Starts a process that does `work`, with the job's running program, and leaves with what it returns.
  Result<void> start(const std::function<int(RunningProgram&, MessageWriter)>& work);
  [[nodiscard]] bool alive() const { return pid_ > 0; }
  void drain(const MessageReader::Handler& handler);
  void kill() const;

  struct End {
    int wait_status = 0;
    bool hung = false;
  };
  // Once it ended. Kills it when it is at one program for longer than `patience`.
  std::optional<End> poll(std::chrono::seconds patience);
  // What it wrote to standard error: the beginning.
  [[nodiscard]] std::string said() const;
  // What it was doing when it ended. Nothing: no program was running.
  [[nodiscard]] std::optional<Death> death(const End& end) const;

 private:
  explicit Job(RunningProgram running) : running_(std::move(running)) {}
  RunningProgram running_;
  FileDescriptor messages_, stderr_;
  std::optional<MessageReader> reader_;
  pid_t pid_ = -1;
  bool hung_ = false;
  std::uint64_t turn_ = 0;
  std::chrono::steady_clock::time_point since_;
};

}  // namespace faultline::vmm::fuzz
