// 32-bit and PAE paging against a table that was worked out by hand from the SDM's formats.
#include <gtest/gtest.h>

#include "tests/unit/model/tables.hpp"

namespace faultline::model::test {
namespace {

// The page is at 0x1234'5008 (tables.hpp): PDE and PTE, the controls, and what comes of an access.
struct Row {
  const char* what;
  std::uint64_t pde, pte;
  Kind kind;
  bool user;
  bool wp, pse, nxe, smep;
  unsigned vector;
  std::uint32_t error;     // of a #PF
  std::uint64_t physical;  // of the page, where there is no fault
};

constexpr auto kOk = kNoFault, kPf = kPageFault;
constexpr auto R = Kind::kRead, W = Kind::kWrite, X = Kind::kFetch;

constexpr Row kTwoLevelRows[] = {
    {"open", 0x2007, 0x9007, R, true, true, true, false, false, kOk, 0, 0x9000},
    {"PDE P=0", 0x2006, 0x9007, R, false, true, true, false, false, kPf, 0x0, 0},
    {"PTE P=0, user write", 0x2007, 0x9006, W, true, true, true, false, false, kPf, 0x6, 0},
    {"PDE U=0", 0x2003, 0x9007, R, true, true, true, false, false, kPf, 0x5, 0},
    {"PTE W=0", 0x2007, 0x9005, W, true, true, true, false, false, kPf, 0x7, 0},
    {"PDE W=0, supervisor, WP=1", 0x2005, 0x9007, W, false, true, true, false, false, kPf, 0x3, 0},
    {"PDE W=0, supervisor, WP=0", 0x2005, 0x9007, W, false, false, true, false, false, kOk, 0, 0x9000},
    {"PDE W=0, user, WP=0", 0x2005, 0x9007, W, true, false, true, false, false, kPf, 0x7, 0},
    {"bit 7 of a PTE is PAT", 0x2007, 0x9087, R, true, true, true, false, false, kOk, 0, 0x9000},
    {"all 20 address bits of a PTE", 0x2007, 0xfffff007, R, true, true, true, false, false, kOk, 0, 0xffff'f000},
    {"4 MiB: bits 21:12 of the address are those of the page", 0x40000087, 0, R, true, true, true, false, false, kOk, 0,
     0x4034'5000},
    {"4 MiB: bit 12 is PAT", 0x40001087, 0, R, true, true, true, false, false, kOk, 0, 0x4034'5000},
    {"4 MiB: bit 13 is address bit 32", 0x40002087, 0, R, true, true, true, false, false, kOk, 0, 0x1'4034'5000},
    {"4 MiB: bit 20 is address bit 39", 0x40100087, 0, R, true, true, true, false, false, kOk, 0, 0x80'4034'5000},
    {"4 MiB: bit 21 is reserved", 0x40200087, 0, W, true, true, true, false, false, kPf, 0xf, 0},
    {"PSE=0: bit 7 of a PDE is ignored", 0x2087, 0x9007, R, true, true, false, false, false, kOk, 0, 0x9000},
    {"there is no NX: a fetch is as a read", 0x2007, 0x9007, X, true, true, true, true, false, kOk, 0, 0x9000},
    {"I is not reported without PAE", 0x2007, 0x9006, X, true, true, true, true, false, kPf, 0x4, 0},
    {"but with SMEP", 0x2007, 0x9006, X, true, true, true, false, true, kPf, 0x14, 0},
    {"SMEP", 0x2007, 0x9007, X, false, true, true, false, true, kPf, 0x11, 0},
};

constexpr std::uint64_t kBit63 = 1ULL << 63, kBit62 = 1ULL << 62, kBit46 = 1ULL << 46, kBit45 = 1ULL << 45;

constexpr Row kPaeRows[] = {
    {"open", 0x2007, 0x9007, R, true, true, true, true, false, kOk, 0, 0x9000},
    {"PDE P=0, fetch", 0x2006, 0x9007, X, true, true, true, true, false, kPf, 0x14, 0},
    {"PTE U=0", 0x2007, 0x9003, R, true, true, true, true, false, kPf, 0x5, 0},
    {"PDE W=0, WP=1", 0x2005, 0x9007, W, false, true, true, true, false, kPf, 0x3, 0},
    {"PTE NX", 0x2007, kBit63 | 0x9007, X, true, true, true, true, false, kPf, 0x15, 0},
    {"PDE NX", kBit63 | 0x2007, 0x9007, X, false, true, true, true, false, kPf, 0x11, 0},
    {"PTE NX, read", 0x2007, kBit63 | 0x9007, R, true, true, true, true, false, kOk, 0, 0x9000},
    {"NX while NXE=0 is reserved", 0x2007, kBit63 | 0x9007, R, true, true, true, false, false, kPf, 0xd, 0},
    {"bit 62 of a PTE is reserved, unlike with four levels", 0x2007, kBit62 | 0x9007, R, false, true, true, true, false,
     kPf, 0x9, 0},
    {"bit 62 of a PDE", kBit62 | 0x2007, 0x9007, W, true, true, true, true, false, kPf, 0xf, 0},
    {"bit MAXPHYADDR is reserved", 0x2007, kBit46 | 0x9007, R, false, true, true, true, false, kPf, 0x9, 0},
    {"the bit below it is the address's", 0x2007, kBit45 | 0x9007, R, false, true, true, true, false, kOk, 0,
     kBit45 | 0x9000},
    {"2 MiB, whatever PSE is", 0x40000087, 0, R, true, true, false, true, false, kOk, 0, 0x4014'5000},
    {"2 MiB: bit 12 is PAT", 0x40001087, 0, R, true, true, true, true, false, kOk, 0, 0x4014'5000},
    {"2 MiB: bit 13 is reserved", 0x40002087, 0, R, true, true, true, true, false, kPf, 0xd, 0},
    {"2 MiB: bit 20 is reserved", 0x40100087, 0, R, true, true, true, true, false, kPf, 0xd, 0},
};

void check(Paging paging, const Row& row) {
  SCOPED_TRACE(std::string(name(paging)) + ": " + row.what);
  Machine m(paging);
  m.entry(2) = row.pde;
  m.entry(1) = row.pte;
  m.controls.wp = row.wp, m.controls.pse = row.pse, m.controls.nxe = row.nxe, m.controls.smep = row.smep;
  const Answer answer = m.access(row.kind, row.user, 4);
  ASSERT_EQ(answer.size(), 1U);
  const Outcome& o = answer.front();
  EXPECT_EQ(o.vector, row.vector);
  if (row.vector == kPageFault) {
    EXPECT_EQ(o.error, row.error);
  }
  if (row.vector == kNoFault) {
    EXPECT_EQ(o.pages.front().physical.raw(), row.physical);
  }
}

TEST(LegacyPaging, TwoLevels) {
  for (const Row& row : kTwoLevelRows) check(Paging::kTwoLevel, row);
}

TEST(LegacyPaging, Pae) {
  for (const Row& row : kPaeRows) check(Paging::kPae, row);
}

TEST(LegacyPaging, BitsOfAPdpte) {
  constexpr Cpu kCpu{.physical_bits = 46, .huge_1g = true, .pse36 = true, .top_global_reserved = false};
  // 2:1, 8:5 and everything from MAXPHYADDR on.
  constexpr std::uint64_t kReserved = 0x6 | 0x1e0 | 0xffff'c000'0000'0000;
  for (unsigned which = 0; which < 4; ++which) {
    for (unsigned bit = 1; bit < 64; ++bit) {
      Tables tables;
      tables[0x5000 + which * 8] = 1ULL << bit | 1;
      const bool reserved = (kReserved >> bit & 1) != 0;
      EXPECT_EQ(load_pdptes(tables, kCpu, Gpa(0x5000)).has_value(), !reserved) << which << " " << bit;
      tables[0x5000 + which * 8] = 1ULL << bit;
      EXPECT_TRUE(load_pdptes(tables, kCpu, Gpa(0x5000))) << "P=0: nothing is reserved; " << bit;
    }
  }
}

TEST(LegacyPaging, PdptesArePickedByTheTwoHighestBitsAndHaveNoRights) {
  for (unsigned which = 0; which < 4; ++which) {
    Machine m(Paging::kPae);
    m.controls.pdpte_registers.fill(0);
    m.address = Gva(std::uint64_t{which} << 30 | 0x1234'5008);
    EXPECT_EQ(m.access(Kind::kWrite, true)[0].error, 6U) << "no PDPTE is present";
    m.controls.pdpte_registers[which] = 0x1001;  // W=0 and U=0 mean nothing
    const Answer answer = m.access(Kind::kWrite, true);
    EXPECT_EQ(answer[0].vector, kNoFault) << which;
    for (const EntryAfter& e : answer[0].entries) EXPECT_LT(e.level, 3U) << "a register has no Accessed flag";
  }
}

}  // namespace
}  // namespace faultline::model::test
