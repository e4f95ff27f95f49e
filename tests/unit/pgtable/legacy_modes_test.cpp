// 32-bit and PAE paging: hand-computed tables for the walker, and the fault path over the
// populater, with the same address space in every mode.
#include <sys/mman.h>

#include "mmu/pgtable/pdpte.hpp"
#include "mmu/pgtable/translate.hpp"
#include "mmu/space/fork.hpp"
#include "tests/unit/space/fork_fixture.hpp"

namespace faultline::mmu {
namespace {

using testing::access_in;
using testing::entry_in;
using testing::World;

// Tables written by hand, entry by entry.
class HandTables : public ::testing::Test {
 protected:
  void put4(Gfn table, unsigned index, std::uint32_t entry) {
    std::memcpy(memory().page(table).data() + index * 4, &entry, 4);
  }
  void put8(Gfn table, unsigned index, std::uint64_t entry) {
    std::memcpy(memory().page(table).data() + index * 8, &entry, 8);
  }
  const PhysMemory& memory() { return world_.frames.memory(); }
  Walk walk2(std::uint32_t va, PagingRules rules = {}) {
    return walk(memory(), Gfn(1), PagingMode::kTwoLevel, Gva(va), rules);
  }
  Walk walk3(std::uint32_t va, PagingRules rules = {}) {
    return walk(memory(), Gfn(1), PagingMode::kPae, Gva(va), rules);
  }
  World world_;
};

TEST_F(HandTables, TwoLevelsOfTenBits) {
  put4(Gfn(1), 0x2ff, 0x2007);  // 0xbfc00000
  put4(Gfn(2), 0x3ff, 0x5025);  // its last page: P U A, no W
  const Walk w = walk2(0xbfff'f123);
  ASSERT_TRUE(w.mapped());
  EXPECT_EQ(w.count, 2U);
  EXPECT_EQ(w.steps[0].slot, Gpa(0x1000 + 0x2ff * 4));
  EXPECT_EQ(w.steps[1].slot, Gpa(0x2000 + 0x3ff * 4));
  EXPECT_EQ(w.physical(), Gpa(0x5123));
  EXPECT_EQ(w.last().rights, (Rights{.write = false, .user = true, .execute = true}));
  EXPECT_EQ(walk2(0xbfff'e000).end, WalkEnd::kNotPresent);
}

TEST_F(HandTables, PagesOfFourMegabytesAndPse36) {
  // Bits 20:13 are address bits 39:32; bit 12 is PAT; bit 21 is reserved.
  put4(Gfn(1), 1, 0x0080'0000 | 0x03 << 13 | 1 << 12 | 0xe7);
  const Walk w = walk2(0x0040'0000 + 0x12'3456);
  ASSERT_TRUE(w.mapped());
  EXPECT_EQ(w.physical().raw(), 0x3'0080'0000 + 0x12'3456ULL);
  EXPECT_EQ(walk2(0x0040'0000, {.phys_bits = 33}).end, WalkEnd::kReservedBit);
  EXPECT_EQ(walk2(0x0040'0000, {.phys_bits = 36, .pse36 = false}).end, WalkEnd::kReservedBit);
  put4(Gfn(1), 1, 0x0080'0000 | 1 << 21 | 0xe7);
  EXPECT_EQ(walk2(0x0040'0000).end, WalkEnd::kReservedBit);
  // Without CR4.PSE the same bit says nothing, and the entry leads to a table.
  put4(Gfn(1), 1, 0x2000 | 0x87);
  put4(Gfn(2), 0, 0x7067);
  const Walk small = walk2(0x0040'0fff, {.pse = false});
  ASSERT_TRUE(small.mapped());
  EXPECT_EQ(small.physical(), Gpa(0x7fff));
}

TEST_F(HandTables, PaeHasNoRightsInItsPdptes) {
  put8(Gfn(1), 3, 0x2001);
  put8(Gfn(2), 0, 0x3007);
  put8(Gfn(3), 1, 0x8000'0000'0000'6067);
  const Walk w = walk3(0xc000'1abc);
  ASSERT_TRUE(w.mapped());
  EXPECT_EQ(w.count, 3U);
  EXPECT_EQ(w.physical(), Gpa(0x6abc));
  EXPECT_EQ(w.last().rights, (Rights{.write = true, .user = true, .execute = false}));
  EXPECT_EQ(walk3(0xc000'1abc, {.nxe = false}).end, WalkEnd::kReservedBit);
  // What long mode ignores is reserved here.
  put8(Gfn(3), 1, 1ULL << 52 | 0x6067);
  EXPECT_EQ(walk3(0xc000'1abc).end, WalkEnd::kReservedBit);
  // 2 MiB.
  put8(Gfn(2), 1, 0x0060'00e7);
  EXPECT_EQ(walk3(0xc020'0000 + 0x1'2345).physical(), Gpa(0x0061'2345));
}

TEST_F(HandTables, PdpteRegistersAreWhatCr3Loaded) {
  put8(Gfn(1), 0, 0x2001);
  put8(Gfn(2), 0, 0x3007);
  put8(Gfn(3), 0, 0x6067);
  const auto loaded = load_pdptes(memory(), Gfn(1));
  ASSERT_TRUE(loaded);
  PagingRules rules;
  rules.pdptes = &*loaded;
  put8(Gfn(1), 0, 0);  // memory changes, the registers do not
  EXPECT_EQ(walk3(0, rules).physical(), Gpa(0x6000));
  EXPECT_EQ(walk3(0).end, WalkEnd::kNotPresent);
  for (const std::uint64_t bit : {1, 2, 5, 6, 7, 8, 52, 63}) {
    put8(Gfn(1), 2, 0x2001 | 1ULL << bit);
    EXPECT_FALSE(load_pdptes(memory(), Gfn(1))) << "bit " << bit;
    put8(Gfn(1), 2, 0x2000 | 1ULL << bit);  // not present: nothing is reserved
    EXPECT_TRUE(load_pdptes(memory(), Gfn(1))) << "bit " << bit;
  }
}

TEST_F(HandTables, ErrorCodesWithoutNxSayNothingOfFetches) {
  const Walk w = walk2(0x1000);
  Processor cpu;
  cpu.mode = PagingMode::kTwoLevel;
  const ProcessorAccess fetch{.kind = AccessKind::kFetch, .user = true};
  EXPECT_EQ(page_fault_of(w, cpu, fetch)->raw(), ErrorCode::kUser);
  cpu.mode = PagingMode::kPae;
  EXPECT_EQ(page_fault_of(walk3(0x1000), cpu, fetch)->raw(), ErrorCode::kUser | ErrorCode::kFetch);
}

TEST(NarrowPte, WhatIsNotPresentSurvives) {
  for (const Pte entry : {Pte(), kGuardEntry, SwapEntry(SwapEntry::kMigrationRead, 0xfffff).pte(),
                          SwapEntry(27, 0x12345).pte().with(SwapEntry::kExclusive),
                          Pte::make(Gfn(0x12345), Pte::kProtNone | Pte::kUser | Pte::kAccessed)}) {
    EXPECT_EQ(widen(narrow(entry)), entry) << entry.describe(1);
    EXPECT_EQ(narrow(entry) & 1, 0U);
  }
  EXPECT_EQ(narrow(Pte::make(Gfn(5), Pte::kPresent | Pte::kNoExecute)), 0x5001U);
}

// The same story in every mode, around an address where tables of all levels end.
class EveryFormat : public ::testing::TestWithParam<PagingMode> {
 protected:
  static constexpr std::uint64_t kEdge = 0x4000'0000, kStart = kEdge - 2 * kPageSize;
  World world{GetParam()};
  std::shared_ptr<AddressSpace> mm = AddressSpace::create(world.env);

  void check(const AddressSpace* child = nullptr) const {
    std::vector<const AddressSpace*> spaces{mm.get()};
    if (child != nullptr) spaces.push_back(child);
    const auto wrong = check_invariants(world.env, spaces);
    ASSERT_FALSE(wrong) << *wrong;
  }
  void map() {
    ASSERT_TRUE(do_mmap(*mm, {.address = kStart,
                              .length = 4 * kPageSize,
                              .prot = PROT_READ | PROT_WRITE,
                              .flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED}));
  }
  std::byte& byte_at(const AddressSpace& space, std::uint64_t va) {
    return *world.frames.memory().at(Gpa(entry_in(space, va).frame()) + (va & kPageMask));
  }
};

TEST_P(EveryFormat, FaultsForksAndUnmaps) {
  map();
  for (unsigned i = 0; i < 4; ++i) {
    ASSERT_TRUE(access_in(*mm, kStart + i * kPageSize, true).resolved());
    byte_at(*mm, kStart + i * kPageSize) = std::byte(i + 1);
    const Walk w = mm->tables().walk(Gva(kStart + i * kPageSize));
    EXPECT_TRUE(w.mapped());
    EXPECT_EQ(w.count, levels(GetParam()));
  }
  check();
  // Two tables of level 1, and what is above them.
  EXPECT_EQ(mm->tables().tables(), GetParam() == PagingMode::kTwoLevel    ? 2U
                                   : GetParam() == PagingMode::kPae       ? 4U
                                   : GetParam() == PagingMode::kFourLevel ? 5U
                                                                          : 6U);
  auto forked = fork_address_space(*mm);
  ASSERT_TRUE(forked);
  AddressSpace& child = **forked;
  check(&child);
  EXPECT_EQ(access_in(child, kEdge, true).path.decided_by(), FaultStep::kCopy);
  EXPECT_EQ(byte_at(child, kEdge), std::byte{3});
  EXPECT_NE(entry_in(child, kEdge).frame(), entry_in(*mm, kEdge).frame());
  check(&child);
  forked->reset();
  ASSERT_TRUE(do_munmap(*mm, kStart, 4 * kPageSize));
  EXPECT_EQ(mm->tables().tables(), 0U);
  check();
  mm.reset();
  EXPECT_FALSE(world.sink.freed_before_flush);
  EXPECT_EQ(world.frames.used_frames(), world.baseline);
}

TEST_P(EveryFormat, ProtNoneAndGuardsKeepWhatTheyHold) {
  map();
  ASSERT_TRUE(access_in(*mm, kEdge, true).resolved());
  byte_at(*mm, kEdge) = std::byte{42};
  ASSERT_TRUE(do_mprotect(*mm, kEdge, kPageSize, PROT_NONE));
  EXPECT_EQ(entry_in(*mm, kEdge).kind(1), PteKind::kProtNone);
  EXPECT_EQ(access_in(*mm, kEdge, false).result, FaultResult::kSegvAccErr);
  check();
  ASSERT_TRUE(do_mprotect(*mm, kEdge, kPageSize, PROT_READ));
  EXPECT_TRUE(access_in(*mm, kEdge, false).resolved());
  EXPECT_EQ(byte_at(*mm, kEdge), std::byte{42});
  ASSERT_TRUE(do_madvise(*mm, kStart, kPageSize, 102));  // MADV_GUARD_INSTALL
  EXPECT_EQ(entry_in(*mm, kStart).kind(1), PteKind::kMarker);
  EXPECT_EQ(access_in(*mm, kStart, false).path.decided_by(), FaultStep::kGuard);
  check();
}

TEST_P(EveryFormat, FilesComeWithTheirNeighbours) {
  const auto file = world.file(FileKind::kRegular, 64 * kPageSize);
  ASSERT_TRUE(do_mmap(*mm, {.address = kEdge - 16 * kPageSize,
                            .length = 32 * kPageSize,
                            .prot = PROT_READ,
                            .flags = MAP_PRIVATE | MAP_FIXED,
                            .file = file}));
  ASSERT_TRUE(access_in(*mm, kEdge - kPageSize, false).resolved());
  EXPECT_TRUE(entry_in(*mm, kEdge - 16 * kPageSize).present());
  EXPECT_FALSE(entry_in(*mm, kEdge).present());  // another table
  check();
}

TEST_P(EveryFormat, UserSpaceEndsWhereTheKernelBegins) {
  const std::uint64_t end = mm->task_size().raw();
  EXPECT_TRUE(do_mmap(*mm, {.address = end - kPageSize,
                            .length = kPageSize,
                            .prot = PROT_READ,
                            .flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED}));
  EXPECT_TRUE(access_in(*mm, end - kPageSize, false).resolved());
  EXPECT_FALSE(do_mmap(
      *mm, {.address = end, .length = kPageSize, .prot = PROT_READ, .flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED}));
  check();
}

INSTANTIATE_TEST_SUITE_P(EveryMode, EveryFormat, ::testing::ValuesIn(kEveryPagingMode), [](const auto& mode) {
  return std::string(mode.param == PagingMode::kTwoLevel    ? "TwoLevel"
                     : mode.param == PagingMode::kPae       ? "Pae"
                     : mode.param == PagingMode::kFourLevel ? "FourLevel"
                                                            : "FiveLevel");
});

}  // namespace
}  // namespace faultline::mmu
