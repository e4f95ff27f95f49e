// The controller's side of the runner: starts it, gives it programs, and sees it ended.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "mmu/base/result.hpp"
#include "vmm/fuzz/host/shared.hpp"
#include "vmm/host/handles.hpp"

namespace faultline::vmm::fuzz::host {

class Runner {
 public:
  // Error: this host cannot run programs, and why. `disk` and `memory`: the files they map.
  static Result<std::unique_ptr<Runner>> start(int disk, int memory);
  ~Runner();
  Runner(const Runner&) = delete;
  Runner& operator=(const Runner&) = delete;

  // Where a program is put (`program`, `steps`) and its results are.
  [[nodiscard]] Shared& shared() { return *reinterpret_cast<Shared*>(memory_.data()); }
  // Runs it. Its processes are there till finish(). Error: it was not done within `patience`, or a
  // process died; the runner has to go.
  Result<void> run(std::chrono::milliseconds patience);
  // Ends the processes: may return before they are gone; wait_idle() does not.
  Result<void> finish();
  Result<void> wait_idle();

  // Empty: there is a record of faults; otherwise why not.
  [[nodiscard]] std::string no_faults() const;
  [[nodiscard]] int pid() const { return pid_; }

 private:
  Runner() = default;
  Result<void> map_memory();
  Result<void> spawn(int disk, int memory);
  Result<void> wait_while(State state, std::chrono::milliseconds patience);
  Result<void> command(char letter);
  [[nodiscard]] bool gone();

  FileDescriptor control_, memfd_;
  Mapping memory_;
  int pid_ = -1;
  std::string no_tracepoint_;
};

}  // namespace faultline::vmm::fuzz::host
