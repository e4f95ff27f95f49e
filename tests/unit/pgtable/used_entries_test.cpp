#include "mmu/pgtable/used_entries.hpp"

#include <gtest/gtest.h>

#include <cstring>

#include "tests/unit/support/guest_memory.hpp"

namespace faultline::mmu {
namespace {

using test::GuestMemory;

class UsedEntriesTest : public testing::TestWithParam<PagingMode> {
 protected:
  GuestMemory g{16ULL << 20, GetParam()};
  Gfn table = g.frames.allocate(FrameKind::kTable, Zeroing::kNeeded).value();
  void set(unsigned index) {
    const std::uint64_t value = 1ULL << 31;  // not in the first byte
    std::memcpy(g.frames.memory().page(table).data() + std::size_t{index} * entry_bytes(GetParam()), &value,
                entry_bytes(GetParam()));
  }
};
INSTANTIATE_TEST_SUITE_P(EveryMode, UsedEntriesTest, testing::ValuesIn(kPagingModes), test::mode_name);

TEST_P(UsedEntriesTest, AreAllFoundFromWhereverOneLooks) {
  const unsigned entries = static_cast<unsigned>(kPageSize) / entry_bytes(GetParam());
  const std::vector<unsigned> used = {0, 1, 7, 8, 23, 24, 100, 255, entries - 9, entries - 1};
  for (const unsigned index : used) set(index);
  for (unsigned from = 0; from < entries; ++from) {
    for (const unsigned end : {from, from + 1, from + 8, from + 20, entries}) {
      if (end > entries) continue;
      unsigned expected = from;
      while (expected < end && std::ranges::count(used, expected) == 0) ++expected;
      ASSERT_EQ(next_used_entry(g.frames.memory(), table, from, end, GetParam()), expected) << from << " to " << end;
    }
  }
}

}  // namespace
}  // namespace faultline::mmu
