// Recognises a guest that faults for ever: the same address, error code and instruction again
// and again, with nothing in between but returns from its own signal handler.
#pragma once

#include <cstdint>

#include "vmm/port/vcpu.hpp"

namespace faultline::vmm {

class StormDetector {
 public:
  // `limit` repetitions make a storm; 0 = never.
  explicit StormDetector(std::uint64_t limit) : limit_(limit) {}

  // True when this fault completes a storm. RCX belongs to what must be the same: a REP
  // instruction that moves on is progress, even on one page.
  bool fault(const PageFaultEvent& event, const UserRegs& regs) {
    const Key key{event.address, event.error, regs.rip, regs[UserRegs::kRsp], regs[UserRegs::kRcx]};
    repeats_ = key == last_ ? repeats_ + 1 : 1;
    last_ = key;
    return limit_ != 0 && repeats_ >= limit_;
  }
  // Something else happened: the guest is getting somewhere.
  void progress() { repeats_ = 0; }
  [[nodiscard]] std::uint64_t repeats() const { return repeats_; }

 private:
  struct Key {
    Gva address;
    mmu::ErrorCode error;
    std::uint64_t rip = 0, rsp = 0, rcx = 0;
    bool operator==(const Key&) const = default;
  };
  std::uint64_t limit_;
  std::uint64_t repeats_ = 0;
  Key last_;
};

}  // namespace faultline::vmm
