#include "vmm/devices/port_bus.hpp"

#include <algorithm>

#include "mmu/base/check.hpp"

namespace faultline::vmm {

namespace {
constexpr unsigned kBitsOfByte = 8;
constexpr std::uint32_t ones(unsigned bytes) { return bytes >= 4 ? ~0U : (1U << bytes * kBitsOfByte) - 1; }
}  // namespace

void PortBus::attach(std::uint16_t first, std::uint16_t count, unsigned width, PortDevice& device) {
  for (std::uint32_t port = first; port < std::uint32_t{first} + count; ++port) FL_CHECK(find(port) == nullptr);
  ranges_.push_back({first, count, width, &device});
}

const PortBus::Range* PortBus::find(std::uint32_t port) const {
  const auto range = std::ranges::find_if(ranges_, [port](const Range& r) { return port - r.first < r.count; });
  return range == ranges_.end() ? nullptr : &*range;
}

std::uint32_t PortBus::read(std::uint16_t port, unsigned size) const {
  std::uint32_t value = 0;
  for (unsigned done = 0; done < size;) {
    const Range* range = find(port + done);
    const unsigned bytes = range == nullptr ? 1 : std::min(range->width, size - done);
    const std::uint32_t part =
        range == nullptr ? ones(1) : range->device->read(static_cast<std::uint16_t>(port + done - range->first), bytes);
    value |= (part & ones(bytes)) << done * kBitsOfByte;
    done += bytes;
  }
  return value;
}

void PortBus::write(std::uint16_t port, unsigned size, std::uint32_t value) const {
  for (unsigned done = 0; done < size;) {
    const Range* range = find(port + done);
    const unsigned bytes = range == nullptr ? 1 : std::min(range->width, size - done);
    if (range != nullptr) {
      range->device->write(static_cast<std::uint16_t>(port + done - range->first), bytes,
                           value >> done * kBitsOfByte & ones(bytes));
    }
    done += bytes;
  }
}

}  // namespace faultline::vmm
