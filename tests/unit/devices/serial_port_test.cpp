#include "vmm/devices/serial_port.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace faultline::vmm {
namespace {

enum : std::uint16_t {
  kData,
  kInterruptEnable,
  kIdentification,
  kLineControl,
  kModemControl,
  kLineStatus,
  kModemStatus,
  kScratch
};

class SerialPortTest : public testing::Test {
 protected:
  void put(std::string_view text) {
    for (const char c : text) port_.write(kData, 1, static_cast<unsigned char>(c));
  }
  std::vector<std::string> received_;
  SerialPort port_{[this](std::string_view text) { received_.emplace_back(text); }};
};

TEST_F(SerialPortTest, HandsOnLineByLine) {
  put("one\ntw");
  EXPECT_THAT(received_, testing::ElementsAre("one\n"));
  put("o");
  port_.flush();
  port_.flush();
  EXPECT_THAT(received_, testing::ElementsAre("one\n", "two"));
}

TEST_F(SerialPortTest, HoldsBackNoMoreThanAPage) {
  put(std::string(10'000, 'x'));
  EXPECT_THAT(received_, testing::ElementsAre(std::string(4096, 'x'), std::string(4096, 'x')));
}

TEST_F(SerialPortTest, IsAlwaysReadyAndReceivesNothing) {
  EXPECT_EQ(port_.read(kLineStatus, 1) & 0x61, 0x60u);
  EXPECT_EQ(port_.read(kIdentification, 1), 0x01u);
  EXPECT_EQ(port_.read(kData, 1), 0u);
}

TEST_F(SerialPortTest, TheDivisorLatchHidesTwoRegisters) {
  port_.write(kInterruptEnable, 1, 5);
  port_.write(kLineControl, 1, 0x83);
  port_.write(kData, 1, 0x0c);
  port_.write(kInterruptEnable, 1, 0x01);
  EXPECT_EQ(port_.read(kData, 1), 0x0cu);
  EXPECT_EQ(port_.read(kInterruptEnable, 1), 0x01u);
  port_.write(kLineControl, 1, 0x03);
  EXPECT_EQ(port_.read(kData, 1), 0u);
  EXPECT_EQ(port_.read(kInterruptEnable, 1), 5u);
  port_.flush();
  EXPECT_TRUE(received_.empty()) << "a divisor was sent";
}

TEST_F(SerialPortTest, LoopbackSendsNothing) {
  port_.write(kModemControl, 1, 0x10);
  put("lost\n");
  port_.write(kModemControl, 1, 0x03);
  put("sent\n");
  EXPECT_THAT(received_, testing::ElementsAre("sent\n"));
}

TEST_F(SerialPortTest, IsFoundByItsLoopback) {
  port_.write(kModemControl, 1, 0x1a);
  EXPECT_EQ(port_.read(kModemStatus, 1), 0x90u);
  port_.write(kModemControl, 1, 0x15);
  EXPECT_EQ(port_.read(kModemStatus, 1), 0x60u);
  port_.write(kModemControl, 1, 0x03);
  EXPECT_EQ(port_.read(kModemStatus, 1), 0xb0u);
  port_.write(kInterruptEnable, 1, 0xff);
  EXPECT_EQ(port_.read(kInterruptEnable, 1), 0x0fu);
}

TEST_F(SerialPortTest, RegistersThatOnlyKeepTheirValue) {
  port_.write(kScratch, 1, 0x5a);
  port_.write(kModemControl, 1, 0x0b);
  port_.write(kIdentification, 1, 0x07);
  EXPECT_EQ(port_.read(kScratch, 1), 0x5au);
  EXPECT_EQ(port_.read(kModemControl, 1), 0x0bu);
  EXPECT_EQ(port_.read(kIdentification, 1), 0xc1u) << "FIFOs are on";
}

}  // namespace
}  // namespace faultline::vmm
