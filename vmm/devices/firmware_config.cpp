#include "vmm/devices/firmware_config.hpp"

namespace faultline::vmm {

namespace {

// QEMU docs/specs/fw_cfg: keys; values are little-endian.
enum Key : std::uint32_t { kSignature = 0x00, kInterfaces = 0x01, kMemoryBytes = 0x03, kCpus = 0x05, kMaxCpus = 0x0f };

std::vector<std::uint8_t> little_endian(std::uint64_t value, unsigned bytes) {
  std::vector<std::uint8_t> result;
  for (unsigned i = 0; i < bytes; ++i) result.push_back(static_cast<std::uint8_t>(value >> 8 * i));
  return result;
}

}  // namespace

std::vector<std::uint8_t> FirmwareConfig::item(std::uint32_t key) const {
  switch (key) {
    case kSignature: return {'Q', 'E', 'M', 'U'};
    case kInterfaces: return little_endian(1, 4);  // ports, no DMA
    case kMemoryBytes: return little_endian(memory_bytes_, 8);
    case kCpus:
    case kMaxCpus: return little_endian(1, 2);
  }
  return {};
}

std::uint32_t FirmwareConfig::read(std::uint16_t offset, unsigned) {
  return offset == 1 && next_ < selected_.size() ? selected_[next_++] : 0;
}

void FirmwareConfig::write(std::uint16_t offset, unsigned, std::uint32_t value) {
  if (offset != 0) return;
  selected_ = item(value);
  next_ = 0;
}

}  // namespace faultline::vmm
