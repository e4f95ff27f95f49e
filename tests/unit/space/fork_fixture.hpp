// Several address spaces in one world, each checked with the others.
#pragma once

#include "mmu/backing/rmap.hpp"
#include "mmu/space/fork.hpp"
#include "tests/unit/space/fixture.hpp"

namespace faultline::mmu::testing {

inline Pte entry_in(const AddressSpace& space, std::uint64_t address) {
  const PteSlot slot = space.tables().find(Gva(address));
  return slot.valid() ? slot.load() : Pte();
}

// What user code's access does. No fault where the entry allows it: then the path is empty.
inline FaultOutcome access_in(AddressSpace& space, std::uint64_t address, bool write) {
  const Pte entry = entry_in(space, address);
  if (entry.present() && (!write || entry.writable())) return {};
  const std::uint32_t error =
      ErrorCode::kUser | (write ? ErrorCode::kWrite : 0U) | (entry.present() ? ErrorCode::kPresent : 0U);
  return handle_page_fault(space, {.address = Gva(address), .error = ErrorCode(error), .ip = Gva(0)});
}

class ForkTest : public SpaceTest {
 protected:
  void TearDown() override {
    check_all();
    children.clear();
    SpaceTest::TearDown();
  }
  AddressSpace& fork(AddressSpace& parent) {
    auto forked = fork_address_space(parent);
    FL_CHECK(forked.has_value());
    children.push_back(std::move(*forked));
    check_all();
    return *children.back();
  }
  AddressSpace& fork() { return fork(*mm); }
  void exit(const AddressSpace& child) {
    std::erase_if(children, [&](const auto& c) { return c.get() == &child; });
    check_all();
  }
  std::optional<std::string> verdict() const {
    std::vector<const AddressSpace*> spaces;
    if (mm) spaces.push_back(mm.get());
    for (const auto& child : children) spaces.push_back(child.get());
    return check_invariants(world.env, spaces);
  }
  void check() const override { check_all(); }
  void check_all() const {
    const auto wrong = verdict();
    ASSERT_FALSE(wrong) << *wrong;
  }
  std::byte& byte_in(const AddressSpace& space, std::uint64_t address) {
    return *world.frames.memory().at(Gpa(entry_in(space, address).frame()) + (address & kPageMask));
  }
  Frame& frame_in(const AddressSpace& space, std::uint64_t address) {
    return world.frames.at(entry_in(space, address).frame());
  }
  // Accesses pages [first, first + count); returns how many faults that takes, and checks that
  // each was decided by `step` where one is given.
  std::uint64_t touch(AddressSpace& space, std::uint64_t first, std::uint64_t count, bool write,
                      std::optional<FaultStep> step = {}) {
    const std::uint64_t before = space.counters.minor;
    for (std::uint64_t i = 0; i < count; ++i) {
      const FaultOutcome outcome = access_in(space, page(first + i), write);
      EXPECT_TRUE(outcome.resolved());
      if (step && outcome.path.steps().empty()) {
        ADD_FAILURE() << "page " << i << " did not fault";
      } else if (step) {
        EXPECT_EQ(outcome.path.decided_by(), *step) << "page " << i;
      }
    }
    check_all();
    return space.counters.minor - before;
  }

  std::vector<std::shared_ptr<AddressSpace>> children;
};

}  // namespace faultline::mmu::testing
