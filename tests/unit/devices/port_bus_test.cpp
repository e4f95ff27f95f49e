#include "vmm/devices/port_bus.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace faultline::vmm {
namespace {

using testing::ElementsAre;

struct Access {
  bool write;
  std::uint16_t offset;
  unsigned size;
  std::uint32_t value;
  bool operator==(const Access&) const = default;
};

class Recorder final : public PortDevice {
 public:
  std::uint32_t read(std::uint16_t offset, unsigned size) override {
    accesses.push_back({false, offset, size, 0});
    return 0xa1b2'c3d4 + offset;
  }
  void write(std::uint16_t offset, unsigned size, std::uint32_t value) override {
    accesses.push_back({true, offset, size, value});
  }
  std::vector<Access> accesses;
};

TEST(PortBus, NobodyAnswersWithOnes) {
  const PortBus bus;
  EXPECT_EQ(bus.read(0x80, 1), 0xffu);
  EXPECT_EQ(bus.read(0x80, 2), 0xffffu);
  EXPECT_EQ(bus.read(0xffff, 4), 0xffff'ffffu);
  bus.write(0x80, 4, 1);
}

TEST(PortBus, GivesTheOffsetInTheRange) {
  Recorder device;
  PortBus bus;
  bus.attach(0x100, 4, 4, device);
  EXPECT_EQ(bus.read(0x102, 1), 0xd6u);
  bus.write(0x100, 4, 0x1234'5678);
  bus.write(0x103, 1, 0x1ff);
  EXPECT_THAT(device.accesses,
              ElementsAre(Access{false, 2, 1, 0}, Access{true, 0, 4, 0x1234'5678}, Access{true, 3, 1, 0xff}));
  EXPECT_EQ(bus.read(0x0ff, 1), 0xffu);
  EXPECT_EQ(bus.read(0x104, 1), 0xffu);
}

TEST(PortBus, SplitsWhatIsWiderThanTheDevice) {
  Recorder device;
  PortBus bus;
  bus.attach(0x3f8, 8, 1, device);
  bus.write(0x3f8, 2, 0xbeef);
  EXPECT_EQ(bus.read(0x3f8, 2), 0xd5d4u);
  EXPECT_THAT(device.accesses, ElementsAre(Access{true, 0, 1, 0xef}, Access{true, 1, 1, 0xbe}, Access{false, 0, 1, 0},
                                           Access{false, 1, 1, 0}));
}

TEST(PortBus, AnAccessAcrossTheEndOfADevice) {
  Recorder device;
  PortBus bus;
  bus.attach(0x60, 1, 1, device);
  EXPECT_EQ(bus.read(0x5f, 4), 0xffff'd4ffu);
  EXPECT_THAT(device.accesses, ElementsAre(Access{false, 0, 1, 0}));
}

TEST(PortBusDeathTest, TwoDevicesAtOnePort) {
  Recorder device;
  PortBus bus;
  bus.attach(0x20, 2, 1, device);
  EXPECT_DEATH(bus.attach(0x21, 1, 1, device), "");
}

}  // namespace
}  // namespace faultline::vmm
