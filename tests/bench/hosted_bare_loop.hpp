// The least that a demand fault can cost on the hosted backend's mechanism: signal in the stub,
// one mapping, resume. No page tables, no address space, nothing recorded.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "vmm/hosted/stub_process.hpp"

namespace faultline::bench {

class HostedBareLoop {
 public:
  // A guest that writes to `pages` pages one after the other, each of them absent. The frames
  // behind them are fresh, as those of a program are: the host provides and clears each.
  static Result<std::unique_ptr<HostedBareLoop>> create(std::uint64_t pages);

  // Runs the guest to its next fault and answers it. False: something else happened.
  bool fault();

 private:
  HostedBareLoop(vmm::GuestRam ram, std::unique_ptr<vmm::hosted::StubProcess> stub, std::uint64_t pages)
      : ram_(std::move(ram)), stub_(std::move(stub)), pages_(pages) {}
  Result<void> set_up();

  vmm::GuestRam ram_;
  std::unique_ptr<vmm::hosted::StubProcess> stub_;
  std::uint64_t pages_, done_ = 0;
  std::atomic<bool> never_{false};
};

}  // namespace faultline::bench
