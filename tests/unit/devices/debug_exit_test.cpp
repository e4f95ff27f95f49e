#include "vmm/devices/debug_exit.hpp"

#include <gtest/gtest.h>

namespace faultline::vmm {
namespace {

TEST(DebugExit, TheFirstValueCounts) {
  DebugExit device;
  EXPECT_FALSE(device.value());
  device.write(0, 4, 3);
  device.write(0, 4, 5);
  EXPECT_EQ(device.value(), 3u);
}

TEST(DebugExit, StatusIsAProcesss) {
  EXPECT_EQ(DebugExit::status_of(0), 1);
  EXPECT_EQ(DebugExit::status_of(3), 7);
  EXPECT_EQ(DebugExit::status_of(0x7f), 0xff);
  EXPECT_EQ(DebugExit::status_of(0xffff'ff80), 1);
}

}  // namespace
}  // namespace faultline::vmm
