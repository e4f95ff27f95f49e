#include "tools/table_tree.hpp"

#include <gtest/gtest.h>

#include "mmu/fault/fault.hpp"
#include "tests/unit/support/guest_memory.hpp"

namespace faultline::tools {
namespace {

using mmu::VmFlags;

struct TableTree : testing::Test {
  test::GuestMemory g;
  std::unique_ptr<mmu::AddressSpace> mm = mmu::AddressSpace::create(g.env);
  Gva base{0x40'0000};

  void SetUp() override {
    mm->vmas.insert({.start = base,
                     .end = base + 8 * kPageSize,
                     .flags = VmFlags(VmFlags::kRead | VmFlags::kWrite | VmFlags::kMayWrite),
                     .pgoff = Pgoff(base.page().raw()),
                     .file = nullptr,
                     .name = "[heap]"});
    for (const std::uint64_t page : {0, 1, 2, 5})
      mmu::handle_page_fault(*mm, {.address = base + page * kPageSize, .error = mmu::ErrorCode(6), .ip = Gva(0)});
  }
  static bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }
};

TEST_F(TableTree, VmasCountMappedPages) {
  EXPECT_TRUE(has(describe_vmas(*mm), "000000400000-000000408000 rw-p"));
  EXPECT_TRUE(has(describe_vmas(*mm), "4 of        8 pages  [heap]")) << describe_vmas(*mm);
}

TEST_F(TableTree, NeighboursWithNeighbouringFramesAreOneLine) {
  const std::string tree = describe_tree(*mm);
  EXPECT_TRUE(has(tree, "PML4E[0]"));
  EXPECT_TRUE(has(tree, "PTE 0x000000400000 3 pages")) << tree;
  EXPECT_TRUE(has(tree, "PTE 0x000000405000 1 page:")) << tree;
}

TEST_F(TableTree, TranslationNamesEveryLevelAndTheVma) {
  const std::string mapped = describe_translation(*mm, base + 0x1234);
  for (const char* part : {"PML4E", "PDPTE", "PDE", "PTE", "user read-write no-execute", "[heap]"})
    EXPECT_TRUE(has(mapped, part)) << part << '\n' << mapped;
  EXPECT_TRUE(has(describe_translation(*mm, base + 3 * kPageSize), "not present"));
  EXPECT_TRUE(has(describe_translation(*mm, Gva(0x7000'0000)), "no VMA"));
  EXPECT_TRUE(has(describe_translation(*mm, Gva(1ULL << 60)), "not canonical"));
}

}  // namespace
}  // namespace faultline::tools
