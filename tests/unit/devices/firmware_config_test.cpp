#include "vmm/devices/firmware_config.hpp"

#include <gtest/gtest.h>

namespace faultline::vmm {
namespace {

std::uint64_t item(FirmwareConfig& device, std::uint32_t key, unsigned bytes) {
  device.write(0, 2, key);
  std::uint64_t value = 0;
  for (unsigned i = 0; i < bytes; ++i) value |= std::uint64_t{device.read(1, 1)} << 8 * i;
  return value;
}

TEST(FirmwareConfig, WhatThereIs) {
  FirmwareConfig device(0x1'2345'6000);
  EXPECT_EQ(item(device, 0x00, 4), 0x554d'4551u) << "QEMU";
  EXPECT_EQ(item(device, 0x03, 8), 0x1'2345'6000u);
  EXPECT_EQ(item(device, 0x05, 2), 1u);
  EXPECT_EQ(item(device, 0x0f, 2), 1u);
}

TEST(FirmwareConfig, UnknownItemsAndWhatFollowsAnItemAreZero) {
  FirmwareConfig device(1);
  EXPECT_EQ(item(device, 0x19, 4), 0u);
  EXPECT_EQ(item(device, 0x05, 8), 1u);
  device.write(1, 1, 0x05);  // the data port takes nothing
  EXPECT_EQ(device.read(1, 1), 0u);
}

}  // namespace
}  // namespace faultline::vmm
