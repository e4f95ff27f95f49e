#include "tests/model/walk.hpp"

#include <gtest/gtest.h>

#include "tests/unit/model/tables.hpp"

namespace faultline::model::test {
namespace {

Translation only(Machine& m) {
  const auto all = translations(m.tables, m.cpu, m.controls, m.address);
  EXPECT_EQ(all.size(), 1U);
  return all.front();
}

TEST(ModelWalk, BitTwelveOfALargePageIsNoAddressBit) {
  Machine m(Paging::kFourLevel);
  m.entry(2) = 0x4000'0000 | 1U << 12 | 0x80 | kOpen;
  EXPECT_EQ(only(m).physical.raw(), 0x4000'0000 | (m.address.raw() & 0x1f'f000));
  m.entry(2) |= 1U << 13;
  EXPECT_EQ(only(m).end, End::kReserved);
}

TEST(ModelWalk, LargePagesOfEachLevel) {
  Machine m(Paging::kFourLevel);
  m.entry(3) = 0x80 | kOpen | 0x4000'0000;
  EXPECT_EQ(only(m).page_bytes, 1ULL << 30);
  m.cpu.huge_1g = false;
  EXPECT_EQ(only(m).end, End::kReserved);
  m.entry(4) |= 0x80;
  EXPECT_EQ(only(m).last().level, 4U);
}

TEST(ModelWalk, TwoLevelPagesOfFourMiBHaveUpToFortyAddressBits) {
  Machine m(Paging::kTwoLevel);
  m.entry(2) = 0x1240'0000 | 0x5a << 13 | 0x80 | kOpen;
  EXPECT_EQ(only(m).physical.raw(), 0x5a'1240'0000 | (m.address.raw() & 0x3f'f000));
  m.entry(2) |= 1U << 21;
  EXPECT_EQ(only(m).end, End::kReserved);
  m.controls.pse = false;
  EXPECT_NE(only(m).end, End::kReserved) << "without PSE bit 7 is ignored and this is a table";
}

TEST(ModelWalk, PaePdptesAreRegisters) {
  Machine m(Paging::kPae);
  m.controls.pdpte_registers[m.address.raw() >> 30] = 0;
  EXPECT_EQ(only(m).end, End::kNotPresent);
  m.tables[0x2000] = 0x3001;
  EXPECT_TRUE(load_pdptes(m.tables, m.cpu, Gpa(0x2000)));
  m.tables[0x2008] = 0x3003;
  EXPECT_FALSE(load_pdptes(m.tables, m.cpu, Gpa(0x2000))) << "bit 1 of a PDPTE is reserved";
}

}  // namespace
}  // namespace faultline::model::test
