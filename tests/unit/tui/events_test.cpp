// Events of a file in any order.
#include "tools/tui/events.hpp"

#include <gtest/gtest.h>

#include "tests/support/scratch_folder.hpp"
#include "tests/unit/export/small_run.hpp"
#include "vmm/recording/writer.hpp"

namespace faultline::tui {
namespace {

TEST(RecordedEventsTest, AreFoundInAnyOrder) {
  constexpr std::uint64_t kEvents = 10'000;  // more than are kept
  const test::ScratchFolder folder;
  const std::string file = folder.path("run.flr");
  auto writer = vmm::recording::Writer::open(file, vmm::recording::small_run_info());
  ASSERT_TRUE(writer);
  for (std::uint64_t n = 1; n < kEvents; ++n) (*writer)->append(10 * n, 7, vmm::recording::Switch{.from = 3});
  (*writer)->append(10 * kEvents, 7, vmm::recording::sample_fault(vmm::anonymous_write(), 10 * kEvents + 500));
  ASSERT_TRUE((*writer)->close());

  auto reader = vmm::recording::Reader::open(file);
  ASSERT_TRUE(reader);
  RecordedEvents events(**reader);
  EXPECT_EQ(events.first(), 1u);
  EXPECT_EQ(events.last(), kEvents);
  const auto expect = [&](std::uint64_t number) {
    const auto* event = events.at(number);
    ASSERT_NE(event, nullptr) << number;
    EXPECT_EQ(event->number, number);
    EXPECT_EQ(event->time_ns, 10 * number);
  };
  for (std::uint64_t n = 1; n <= kEvents; n += 100) expect(n);
  for (const std::uint64_t n : {1, 255, 256, 257, 5000, 2, 9999}) expect(n);
  ASSERT_NE(events.whole(6000), nullptr);
  EXPECT_EQ(events.whole(6000)->number, 6000u);
  for (std::uint64_t n = kEvents; n > 100; n -= 100) expect(n);
  // The first run is forgotten, and what was read last is not before it: it must be looked for.
  for (std::uint64_t n = 1000; n <= kEvents; n += 100) expect(n);
  ASSERT_NE(events.whole(7000), nullptr);
  expect(1);
  EXPECT_EQ(events.at(0), nullptr);
  EXPECT_EQ(events.at(kEvents + 1), nullptr);
  EXPECT_EQ(events.whole(kEvents + 1), nullptr);
}

}  // namespace
}  // namespace faultline::tui
