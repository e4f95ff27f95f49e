#include "vmm/export/folded_stacks.hpp"

#include <gtest/gtest.h>

#include "tests/unit/export/small_run.hpp"

namespace faultline::vmm::exports {
namespace {

std::string folded(const std::vector<recording::Event>& events, Weight weight) {
  FoldedStacks stacks;
  for (const recording::Event& event : events) stacks.add(event);
  fmt::memory_buffer out;
  stacks.append(out, weight);
  return fmt::to_string(out);
}

TEST(FoldedStacksTest, AddsUpPathsByProgramAndProcess) {
  recording::EventList list;
  list.at(1, 7, recording::sample_change(recording::ProcessEvent::kStart, "/bin/busybox"));
  for (int n = 0; n < 3; ++n) list.at(10, 7, recording::sample_fault(anonymous_write(), 1000));
  list.at(20, 7, recording::sample_fault(copy_on_write(), 2000));
  EXPECT_EQ(folded(list.events(), Weight::kNanoseconds),
            "busybox;process 7;find_vma;do_anonymous_page 1500\n"
            "busybox;process 7;find_vma;do_wp_page;wp_page_copy 500\n");
  EXPECT_EQ(folded(list.events(), Weight::kCount),
            "busybox;process 7;find_vma;do_anonymous_page 3\n"
            "busybox;process 7;find_vma;do_wp_page;wp_page_copy 1\n");
}

TEST(FoldedStacksTest, ProgramsFollowForkAndExecAndCannotBreakTheFormat) {
  EXPECT_EQ(folded(recording::small_run(), Weight::kCount),
            "sh;process 100;find_vma;do_anonymous_page 1\n"
            "sh;process 100;no path 1\n"
            "sleep:er x;process 101;bad_area 1\n"
            "sleep:er x;process 101;find_vma;do_wp_page;wp_page_copy 1\n");
}

TEST(FoldedStacksTest, AProcessWithoutAStartHasNoName) {
  recording::EventList list;
  list.at(10, 7, recording::sample_fault(gather_segv(), 1000));
  EXPECT_EQ(folded(list.events(), Weight::kCount), "?;process 7;bad_area 1\n");
}

TEST(FoldedStacksTest, WithoutATimeThereIsNoLine) {
  FaultRecord record = gather_segv();
  record.times = {};
  recording::EventList list;
  list.at(10, 7, recording::sample_fault(record, 1000));
  EXPECT_EQ(folded(list.events(), Weight::kNanoseconds), "");
}

}  // namespace
}  // namespace faultline::vmm::exports
