// Fork: what the child has, what both sides share, and what each fault after it costs.
#include "mmu/space/fork.hpp"

#include "tests/unit/space/fixture.hpp"

namespace faultline::mmu {
namespace {

class Fork : public testing::SpaceTest {
 protected:
  void TearDown() override {
    check_both();
    child.reset();
    SpaceTest::TearDown();
  }
  void fork() {
    auto forked = fork_address_space(*mm);
    ASSERT_TRUE(forked) << forked.error().value();
    child = std::move(*forked);
    check_both();
  }
  void check_both() const {
    std::vector<const AddressSpace*> spaces{mm.get()};
    if (child) spaces.push_back(child.get());
    const auto wrong = check_invariants(world.env, spaces);
    ASSERT_FALSE(wrong) << *wrong;
  }
  // User code's access in either; returns what the fault did.
  FaultOutcome access_in(AddressSpace& space, std::uint64_t address, bool write) {
    const PteSlot slot = space.tables().find(Gva(address));
    const Pte entry = slot.valid() ? slot.load() : Pte();
    if (entry.present() && (!write || entry.writable())) return {};
    const std::uint32_t error =
        ErrorCode::kUser | (write ? ErrorCode::kWrite : 0U) | (entry.present() ? ErrorCode::kPresent : 0U);
    return handle_page_fault(space, {.address = Gva(address), .error = ErrorCode(error), .ip = Gva(0)});
  }
  static Pte entry_in(const AddressSpace& space, std::uint64_t address) {
    const PteSlot slot = space.tables().find(Gva(address));
    return slot.valid() ? slot.load() : Pte();
  }
  std::byte& byte_in(const AddressSpace& space, std::uint64_t address) {
    return *world.frames.memory().at(Gpa(entry_in(space, address).frame()) + (address & kPageMask));
  }
  static std::uint64_t faults(const AddressSpace& space) { return space.counters.minor + space.counters.major; }

  std::shared_ptr<AddressSpace> child;
};

TEST_F(Fork, SharesPrivatePagesWriteProtected) {
  map_at(page(0), 4);
  write_at(page(0));
  read_at(page(1));
  byte_at(page(0)) = std::byte{7};
  const Gfn frame = entry_at(page(0)).frame();
  world.sink.batches.clear();
  fork();
  EXPECT_EQ(entry_in(*child, page(0)).frame(), frame);
  EXPECT_FALSE(entry_at(page(0)).writable());
  EXPECT_FALSE(entry_in(*child, page(0)).writable());
  EXPECT_TRUE(entry_in(*child, page(0)).dirty());
  EXPECT_FALSE(entry_in(*child, page(0)).accessed());
  EXPECT_EQ(entry_in(*child, page(1)).frame(), world.env.zero_frame);
  EXPECT_EQ(world.frames.at(frame).mapcount, 2);
  EXPECT_FALSE(world.frames.at(frame).anon_exclusive);
  EXPECT_EQ(child->rss.total(), 1U);
  // One flush of the parent's, for the one page that lost a right.
  ASSERT_EQ(world.sink.batches.size(), 1U);
  EXPECT_EQ(world.sink.batches[0].root, Gpa(mm->tables().root()));
  EXPECT_EQ(world.sink.batches[0].pages, 1U);
}

TEST_F(Fork, WritesPartTheTwo) {
  map_at(page(0), 1);
  write_at(page(0));
  byte_at(page(0)) = std::byte{7};
  fork();
  const Gfn frame = entry_at(page(0)).frame();
  EXPECT_EQ(access_in(*child, page(0), true).path.decided_by(), FaultStep::kCopy);
  check_both();
  byte_in(*child, page(0)) = std::byte{9};
  EXPECT_EQ(byte_at(page(0)), std::byte{7});
  // The parent is the last that maps the old page.
  EXPECT_EQ(access_in(*mm, page(0), true).path.decided_by(), FaultStep::kReuse);
  EXPECT_EQ(entry_at(page(0)).frame(), frame);
  EXPECT_TRUE(world.frames.at(frame).anon_exclusive);
}

TEST_F(Fork, LastOwnerReusesAfterTheChildIsGone) {
  map_at(page(0), 1);
  write_at(page(0));
  const Gfn frame = entry_at(page(0)).frame();
  fork();
  child.reset();
  EXPECT_EQ(access_in(*mm, page(0), true).path.decided_by(), FaultStep::kReuse);
  EXPECT_EQ(entry_at(page(0)).frame(), frame);
}

}  // namespace
}  // namespace faultline::mmu
