#include "vmm/gdb/packet.hpp"

#include <gtest/gtest.h>

#include <random>

#include "vmm/gdb/signal_numbers.hpp"

namespace faultline::vmm::gdb {
namespace {

// What a reader makes of the bytes: one letter an event, payloads in brackets.
std::string heard(std::string_view bytes) {
  PacketReader reader;
  std::string out;
  for (const char c : bytes) {
    const auto event = reader.feed(c);
    if (!event) continue;
    switch (*event) {
      case Incoming::kPacket: out += "[" + reader.payload() + "]"; break;
      case Incoming::kInterrupt: out += "!"; break;
      case Incoming::kAck: out += "+"; break;
      case Incoming::kNack: out += "-"; break;
      case Incoming::kDamaged: out += "?"; break;
    }
  }
  return out;
}

TEST(GdbPacket, WhatIsFramedIsHeard) {
  std::string all;
  for (int c = 0; c < 256; ++c) all.push_back(static_cast<char>(c));
  for (const std::string& payload : {std::string(), std::string("qSupported"), std::string("}#$*"), all})
    EXPECT_EQ(heard(frame(payload)), "[" + payload + "]");
}

TEST(GdbPacket, FramesOfTheManual) {
  EXPECT_EQ(frame("OK"), "$OK#9a");
  EXPECT_EQ(frame(""), "$#00");
  EXPECT_EQ(frame("#"), "$}\x03#80");
}

TEST(GdbPacket, DamageIsNoticed) {
  EXPECT_EQ(heard("$OK#9b"), "?");
  EXPECT_EQ(heard("$OK#zz"), "?");
  EXPECT_EQ(heard("$OK#9a$OK#9a"), "[OK][OK]");
  EXPECT_EQ(heard("$unfinished$OK#9a"), "[OK]");
  EXPECT_EQ(heard("junk\x03+-more$OK#9A"), "!+-[OK]");
}

TEST(GdbPacket, LengthIsBounded) {
  EXPECT_EQ(heard(frame(std::string(kMaxPayload, 'a'))).size(), kMaxPayload + 2);
  EXPECT_EQ(heard(frame(std::string(kMaxPayload + 1, 'a'))), "?");
}

TEST(GdbPacket, AnyBytesLeaveTheReaderUsable) {
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    PacketReader reader;
    for (int i = 0; i < 2000; ++i)
      reader.feed(static_cast<char>(random() % 5 == 0 ? "$#}+\x03"[random() % 5] : random()));
    for (const char c : std::string_view("#00")) reader.feed(c);
    std::optional<Incoming> last;
    for (const char c : frame("OK")) last = reader.feed(c);
    EXPECT_EQ(last, Incoming::kPacket);
    EXPECT_EQ(reader.payload(), "OK");
  }
}

TEST(GdbPacket, Hex) {
  EXPECT_EQ(to_hex(std::string_view("a\xff")), "61ff");
  EXPECT_EQ(from_hex("61fF"), "a\xff");
  EXPECT_EQ(from_hex("6"), std::nullopt);
  EXPECT_EQ(from_hex("6g"), std::nullopt);
  EXPECT_EQ(little_endian_hex(0x1234, 4), "34120000");
}

TEST(GdbPacket, ScannerTakesWhatIsThere) {
  Scanner in("7fff,10;rest");
  EXPECT_EQ(in.take_hex(), 0x7fffu);
  EXPECT_FALSE(in.take(";"));
  EXPECT_TRUE(in.take(","));
  EXPECT_EQ(in.take_until(';'), "10");
  EXPECT_EQ(in.take_hex(), std::nullopt);
  EXPECT_EQ(in.rest(), "rest");
  EXPECT_EQ(Scanner("12345678123456781").take_hex(), std::nullopt);
  EXPECT_EQ(Scanner("ffffffffffffffff").take_hex(), ~0ULL);
}

TEST(GdbSignals, ThereAndBack) {
  for (int n = 1; n <= 64; ++n) {
    const int theirs = to_gdb_signal(n);
    if (n == 16) {  // SIGSTKFLT
      EXPECT_EQ(theirs, 0);
      continue;
    }
    EXPECT_GT(theirs, 0) << n;
    EXPECT_EQ(to_linux_signal(theirs), n);
  }
  EXPECT_EQ(to_gdb_signal(7), 10);   // SIGBUS
  EXPECT_EQ(to_gdb_signal(11), 11);  // SIGSEGV
  EXPECT_EQ(to_gdb_signal(17), 20);  // SIGCHLD
  for (int n = -1; n < 300; ++n) EXPECT_LE(to_linux_signal(n), 64);
}

}  // namespace
}  // namespace faultline::vmm::gdb
