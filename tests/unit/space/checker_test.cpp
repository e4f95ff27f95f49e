// The checker finds what is wrong: each test breaks one thing and mends it again.
#include "mmu/space/checker.hpp"

#include "mmu/pgtable/editor.hpp"
#include "tests/unit/space/fixture.hpp"

namespace faultline::mmu {
namespace {

class Checker : public testing::SpaceTest {
 protected:
  void SetUp() override {
    SpaceTest::SetUp();
    map_at(page(0), 4);
    write_at(page(0));
    read_at(page(1));
    map_file_at(page(8), 2, world.file(FileKind::kRegular, 2 * kPageSize), PROT_READ, MAP_PRIVATE);
    read_at(page(8));
  }
  std::string verdict() const {
    const AddressSpace* spaces[] = {mm.get()};
    return check_invariants(world.env, spaces).value_or("");
  }
  Frame& frame_at(std::uint64_t address) { return world.frames.at(entry_at(address).frame()); }
  void expect_blame(const std::string& word) const {
    EXPECT_NE(verdict().find(word), std::string::npos) << "verdict: " << verdict();
  }
  // Replaces the entry, without any accounting.
  void poke(std::uint64_t address, Pte entry) {
    TlbGather gather(mm->tables());
    PtEditor editor(gather);
    const PteSlot slot = mm->tables().find(Gva(address));
    editor.clear(slot, Gva(address));
    if (!entry.none()) editor.install(slot, Gva(address), entry);
    gather.flush();
  }
};

TEST_F(Checker, FindsNothingWrong) { EXPECT_EQ(verdict(), ""); }

TEST_F(Checker, MapCount) {
  frame_at(page(0)).mapcount = 2;
  expect_blame("map count");
  frame_at(page(0)).mapcount = 1;
}

TEST_F(Checker, References) {
  frame_at(page(0)).refcount = 2;
  expect_blame("references");
  frame_at(page(0)).refcount = 1;
}

TEST_F(Checker, Rss) {
  mm->rss.add(RssKind::kAnon, 1);
  expect_blame("RSS");
  mm->rss.add(RssKind::kAnon, -1);
}

TEST_F(Checker, VmaCounters) {
  ++mm->total_vm;
  expect_blame("total_vm");
  --mm->total_vm;
  ++mm->data_vm;
  expect_blame("data_vm");
  --mm->data_vm;
}

TEST_F(Checker, RightsBeyondTheVma) {
  Vma& vma = *mm->vmas.lookup(Gva(page(0)));
  const VmFlags flags = vma.flags;
  vma.flags = flags.without(VmFlags::kWrite);
  expect_blame("is writable");
  vma.flags = flags.without(VmFlags::kProtection);
  expect_blame("is present");
  vma.flags = flags;
}

TEST_F(Checker, ExecutableWithoutTheRight) {
  const Pte entry = entry_at(page(0));
  poke(page(0), entry.without(Pte::kNoExecute));
  expect_blame("is executable");
  poke(page(0), entry);
}

TEST_F(Checker, EntryOutsideAnyVma) {
  const Pte entry = entry_at(page(0));
  poke(page(5), entry);
  expect_blame("outside any VMA");
  poke(page(5), Pte());
}

TEST_F(Checker, WritableZeroPage) {
  const Pte entry = entry_at(page(1));
  poke(page(1), entry.with(Pte::kWrite));
  expect_blame("zero page");
  poke(page(1), entry);
}

TEST_F(Checker, WrongIndex) {
  ++frame_at(page(0)).index;
  expect_blame("index");
  --frame_at(page(0)).index;
}

TEST_F(Checker, PageOfAnotherFile) {
  const auto other = world.file(FileKind::kRegular, kPageSize);
  FileMapping* const own = frame_at(page(8)).mapping();
  frame_at(page(8)).set_mapping(other.get());
  expect_blame("another file");
  frame_at(page(8)).set_mapping(own);
}

TEST_F(Checker, TableThatServesNobody) {
  ASSERT_TRUE(mm->tables().populate(Gva(page(1 << 20))).valid());
  expect_blame("serves no VMA");
  TlbGather gather(mm->tables());
  mm->tables().free_tables(Gva(page(1 << 20)), Gva(page((1 << 20) + 1)), Gva(page(10)), mm->task_size(), gather);
  gather.flush();
}

TEST_F(Checker, PageOfAnotherAnonVma) {
  map_at(page(40), 1);
  write_at(page(40));
  AnonVma* const own = frame_at(page(0)).anon_vma();
  frame_at(page(0)).set_anon_vma(frame_at(page(40)).anon_vma());
  expect_blame("its VMA is not linked to");
  frame_at(page(0)).set_anon_vma(own);
}

TEST_F(Checker, AnonVmaCounts) {
  AnonVma& anon_vma = *frame_at(page(0)).anon_vma();
  ++anon_vma.num_active_vmas;
  expect_blame("active VMAs");
  --anon_vma.num_active_vmas;
  ++anon_vma.num_children;
  expect_blame("children");
  --anon_vma.num_children;
}

TEST_F(Checker, UnlinkedVma) {
  Vma& vma = *mm->vmas.lookup(Gva(page(0)));
  vma.anon_vma_chain.leave_trees();
  expect_blame("as another");
  vma.anon_vma_chain.enter_trees(vma);
  Vma& mapped = *mm->vmas.lookup(Gva(page(8)));
  mapped.file->mappings().erase(mapped.file_interval);
  expect_blame("linked to no file");
  mapped.file->mappings().insert(mapped.file_interval, mapped);
}

// An address space that is not among those checked still has its VMAs in the trees.
TEST_F(Checker, AddressSpaceLeftOut) {
  const auto other = AddressSpace::create(world.env);
  const AddressSpace* spaces[] = {mm.get()};
  ASSERT_TRUE(do_mmap(*other, {.address = page(0),
                               .length = kPageSize,
                               .prot = PROT_READ,
                               .flags = MAP_PRIVATE | MAP_FIXED,
                               .file = mm->vmas.lookup(Gva(page(8)))->file}));
  EXPECT_NE(check_invariants(world.env, spaces).value_or("").find("map it"), std::string::npos);
}

TEST_F(Checker, MovedVma) {
  Vma& vma = *mm->vmas.lookup(Gva(page(8)));
  vma.pgoff = vma.pgoff + 1;
  EXPECT_NE(verdict(), "");
  vma.pgoff = vma.pgoff - 1;
}

TEST_F(Checker, LostFrame) {
  const Pte entry = entry_at(page(0));
  poke(page(0), Pte());
  mm->rss.add(RssKind::kAnon, -1);
  expect_blame("map count");
  poke(page(0), entry);
  mm->rss.add(RssKind::kAnon, 1);
}

}  // namespace
}  // namespace faultline::mmu
