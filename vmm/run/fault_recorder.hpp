// Turns what the fault path reports into fault records. A record is complete when the vCPU has
// been entered again (that is when its resume time is known), so it is handed on one event late.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "mmu/ports/fault_observer.hpp"
#include "vmm/decode/decoder.hpp"
#include "vmm/record/fault_record.hpp"
#include "vmm/record/instruction_input.hpp"

namespace faultline::vmm {

class FaultRecorder final : public mmu::FaultObserver {
 public:
  using Consumer = std::function<void(const FaultRecord&)>;
  // A record whose instruction is not decoded, with what it takes to do that later.
  struct RawFault {
    const FaultRecord& record;
    const InstructionInput& input;
    std::uint64_t began_ns = 0, ended_ns = 0;  // CLOCK_MONOTONIC
  };
  using RawConsumer = std::function<void(const RawFault&)>;

  // Either may be empty: without `consumer` nothing is decoded.
  static Result<std::unique_ptr<FaultRecorder>> create(Vcpu& vcpu, Consumer consumer, RawConsumer raw_consumer = {});

  // The vCPU came back: completes what was pending. Called after every run().
  void left_guest();
  // Hands on what is still pending; at the end of a run.
  void finish();

  mmu::EditLog* began(const mmu::AddressSpace& mm, const mmu::FaultRequest& request) override;
  void decided() override;
  void ended(const mmu::AddressSpace& mm, const mmu::FaultRequest& request, const mmu::FaultOutcome& outcome) override;

  void set_process(std::uint32_t pid) { process_ = pid; }
  // When the last fault began (CLOCK_MONOTONIC).
  [[nodiscard]] std::uint64_t began_ns() const { return began_ns_; }
  // The last fault, its resume time perhaps still missing; null: there was none.
  [[nodiscard]] const FaultRecord* last() const { return sequence_ != 0 ? &record_ : nullptr; }

 private:
  FaultRecorder(Vcpu& vcpu, Consumer consumer, RawConsumer raw_consumer)
      : vcpu_(vcpu), consumer_(std::move(consumer)), raw_consumer_(std::move(raw_consumer)) {}
  void gather_input(const mmu::AddressSpace& mm);
  void load_vectors();

  Vcpu& vcpu_;
  Consumer consumer_;
  RawConsumer raw_consumer_;
  std::optional<decode::Decoder> decoder_;  // for consumer_
  std::vector<std::byte> xsave_;            // reused
  FaultRecord record_;
  InstructionInput input_;
  bool pending_ = false;        // record_ awaits its resume time
  std::uint64_t ended_ns_ = 0;  // of the pending record
  std::uint64_t began_ns_ = 0, decided_ns_ = 0;
  RunTimes run_;  // around the run that ended in the fault
  std::uint64_t sequence_ = 0;
  std::uint32_t process_ = 0;
};

}  // namespace faultline::vmm
