#include "vmm/devices/interrupt_stub.hpp"

namespace faultline::vmm {

namespace {
// Intel 8259A data sheet, "Initialization Command Words".
constexpr std::uint32_t kInitialize = 0x10;
constexpr std::uint32_t kSingle = 0x02;      // no ICW3
constexpr std::uint32_t kFourthWord = 0x01;  // ICW4 follows
}  // namespace

std::uint32_t InterruptStub::read(std::uint16_t offset, unsigned) { return offset == 0 ? 0 : mask_; }

void InterruptStub::write(std::uint16_t offset, unsigned, std::uint32_t value) {
  if (offset == 0) {
    if ((value & kInitialize) == 0) return;
    words_to_come_ = 1 + ((value & kSingle) == 0 ? 1 : 0) + ((value & kFourthWord) != 0 ? 1 : 0);
    mask_ = 0;
  } else if (words_to_come_ > 0) {
    --words_to_come_;
  } else {
    mask_ = static_cast<std::uint8_t>(value);
  }
}

}  // namespace faultline::vmm
