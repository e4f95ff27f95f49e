#include "mmu/base/linux_behaviour.hpp"

#include <gtest/gtest.h>

namespace faultline {
namespace {

TEST(LinuxBehaviour, NewestIsTheDefault) {
  EXPECT_EQ(LinuxBehaviour::of(kNewestLinux), LinuxBehaviour{});
  EXPECT_EQ(LinuxBehaviour::of(LinuxVersion{}), LinuxBehaviour{});
}

TEST(LinuxBehaviour, VersionsThatWereReleased) {
  EXPECT_EQ(parse_linux_version("6.18"), (LinuxVersion{6, 18}));
  EXPECT_EQ(parse_linux_version("4.0"), kOldestLinux);
  EXPECT_EQ(parse_linux_version("5.19"), (LinuxVersion{5, 19}));
  for (const char* wrong : {"", "6", ".", "6.", ".4", "6.19", "5.20", "4.21", "3.10", "7.0", "5.4.1", "5.x", "-5.4",
                            " 5.4", "5.4 ", "5,4", "99999999999.1"})
    EXPECT_EQ(parse_linux_version(wrong), std::nullopt) << wrong;
}

// Each switch turns at its version and at no other.
TEST(LinuxBehaviour, EachSwitchTurnsOnce) {
  struct Row {
    bool LinuxBehaviour::*flag;
    LinuxVersion since;
    bool from_then = true;
  };
  using B = LinuxBehaviour;
  const Row rows[] = {{&B::stack_pointer_check, {5, 0}, false},
                      {&B::retry_once, {5, 7}, false},
                      {&B::arch_counts_faults, {5, 9}, false},
                      {&B::vma_lock, {6, 4}},
                      {&B::exec_readahead, {6, 17}},
                      {&B::fixed_noreplace, {4, 17}},
                      {&B::wipe_on_fork, {4, 14}},
                      {&B::cold_and_pageout, {5, 4}},
                      {&B::dontunmap, {5, 7}},
                      {&B::dontunmap_files, {5, 13}},
                      {&B::process_madvise, {5, 10}},
                      {&B::populate_advice, {5, 14}},
                      {&B::dontneed_locked, {5, 18}},
                      {&B::mprotect_upgrades, {6, 1}},
                      {&B::collapse, {6, 1}},
                      {&B::mseal, {6, 10}},
                      {&B::droppable, {6, 11}},
                      {&B::guard_regions, {6, 13}},
                      {&B::process_madvise_self, {6, 13}},
                      {&B::pt_reclaim, {6, 14}},
                      {&B::guard_files, {6, 15}},
                      {&B::mremap_many, {6, 17}}};
  for (const Row& row : rows) {
    const LinuxVersion before = row.since.minor != 0 ? LinuxVersion{row.since.major, row.since.minor - 1}
                                                     : LinuxVersion{row.since.major - 1, 20};
    EXPECT_EQ(LinuxBehaviour::of(row.since).*row.flag, row.from_then) << row.since.text();
    EXPECT_NE(LinuxBehaviour::of(before).*row.flag, row.from_then) << before.text();
    EXPECT_NE(LinuxBehaviour::of(kOldestLinux).*row.flag, row.from_then) << row.since.text();
  }
}

}  // namespace
}  // namespace faultline
