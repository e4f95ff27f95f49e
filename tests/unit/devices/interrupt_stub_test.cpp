#include "vmm/devices/interrupt_stub.hpp"

#include <gtest/gtest.h>

namespace faultline::vmm {
namespace {

constexpr std::uint16_t kCommand = 0, kData = 1;

TEST(InterruptStub, TheUsualInitialisationLeavesTheMaskAlone) {
  InterruptStub stub;
  for (const std::uint32_t word : {0x11U, 0x20U, 0x04U, 0x01U}) stub.write(word == 0x11 ? kCommand : kData, 1, word);
  EXPECT_EQ(stub.read(kData, 1), 0u);
  stub.write(kData, 1, 0xfb);
  EXPECT_EQ(stub.read(kData, 1), 0xfbu);
  stub.write(kCommand, 1, 0x20);  // end of interrupt
  EXPECT_EQ(stub.read(kData, 1), 0xfbu);
  EXPECT_EQ(stub.read(kCommand, 1), 0u) << "an interrupt is pending";
}

TEST(InterruptStub, ASingleControllerHasFewerWords) {
  InterruptStub stub;
  stub.write(kCommand, 1, 0x12);
  stub.write(kData, 1, 0x20);
  stub.write(kData, 1, 0x77);
  EXPECT_EQ(stub.read(kData, 1), 0x77u);
}

}  // namespace
}  // namespace faultline::vmm
