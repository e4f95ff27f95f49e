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

namespace faultline::vmm {

class FaultRecorder final : public mmu::FaultObserver {
 public:
  using Consumer = std::function<void(const FaultRecord&)>;

  static Result<std::unique_ptr<FaultRecorder>> create(Vcpu& vcpu, Consumer consumer);

  // The vCPU came back: completes what was pending. Called after every run().
  void left_guest();
  // The last fault, its resume time perhaps still missing; null: there was none.
  [[nodiscard]] const FaultRecord* last() const { return sequence_ != 0 ? &record_ : nullptr; }
  // Hands on what is still pending; at the end of a run.
  void finish();

  mmu::EditLog* began(const mmu::AddressSpace& mm, const mmu::FaultRequest& request) override;
  void decided() override;
  void ended(const mmu::AddressSpace& mm, const mmu::FaultRequest& request, const mmu::FaultOutcome& outcome) override;

  void set_process(std::uint32_t pid) { process_ = pid; }

 private:
  FaultRecorder(Vcpu& vcpu, Consumer consumer, decode::Decoder decoder)
      : vcpu_(vcpu), consumer_(std::move(consumer)), decoder_(std::move(decoder)) {}
  void decode_instruction(const mmu::AddressSpace& mm);

  Vcpu& vcpu_;
  Consumer consumer_;
  decode::Decoder decoder_;
  std::vector<std::byte> xsave_;  // reused
  FaultRecord record_;
  bool pending_ = false;        // record_ awaits its resume time
  std::uint64_t ended_ns_ = 0;  // of the pending record
  std::uint64_t began_ns_ = 0, decided_ns_ = 0;
  RunTimes run_;  // around the run that ended in the fault
  std::uint64_t sequence_ = 0;
  std::uint32_t process_ = 0;
};

}  // namespace faultline::vmm
