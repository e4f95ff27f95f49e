// Runs cases in batches and brings back what the guest wrote down of each.
#pragma once

#include <array>
#include <functional>

#include "vmm/conform/case.hpp"
#include "vmm/conform/compiler.hpp"
#include "vmm/conform/machine.hpp"

namespace faultline::vmm::conform {

struct Observation {
  bool done = false;
  bool hung = false;  // not done because the vCPU did not come back within the limit
  std::string death;  // how the vCPU died, when it did not get to the end of the case
  std::uint64_t vector = 0, error = 0, rip = 0, cs = 0, rflags = 0, rsp = 0, rax = 0, cr2 = 0, rcx = 0;
  std::array<std::uint64_t, 10> entries{};  // A 1 to 5, B 1 to 5; all ones where not read
  std::array<std::uint64_t, 4> data{};      // likewise
  Placed placed;
};

class Runner {
 public:
  Runner(const kvm::System& system, const Offered& offered, model::Paging paging)
      : system_(system), offered_(offered), paging_(paging) {}

  // The most cases that fit one entry into the guest.
  static constexpr std::size_t kBatch = 2048;

  // Calls `take` for every case in order. A vCPU that dies costs the case that killed it, and a new
  // machine. Error: no machine can be made.
  using Take = std::function<void(const Case&, const Observation&)>;
  Result<void> run(std::span<const Case> cases, const Take& take);
  // The same for the first of them, as many as fit one entry into the guest. Returns how many.
  Result<std::size_t> run_batch(std::span<const Case> cases, const Take& take);

  // Time in KVM_RUN, and machines that had to be made anew.
  [[nodiscard]] std::chrono::nanoseconds time_in_guest() const;
  [[nodiscard]] unsigned deaths() const { return deaths_; }
  [[nodiscard]] Machine* machine() const { return machine_.get(); }
  Result<void> prepare();

 private:
  [[nodiscard]] Observation observe(unsigned index) const;
  Result<void> run_machine();
  [[nodiscard]] std::chrono::milliseconds limit() const;

  const kvm::System& system_;
  const Offered& offered_;
  model::Paging paging_;
  std::unique_ptr<Machine> machine_;
  std::vector<Placed> placed_;
  std::chrono::nanoseconds in_guest_{0};
  unsigned deaths_ = 0;
  std::chrono::milliseconds longest_{0};  // of the batches that came back
  bool hung_ = false, hung_now_ = false;  // one did not; the last one did not
};

}  // namespace faultline::vmm::conform
