#include "vmm/inspect/diff.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "tests/support/scratch_folder.hpp"
#include "tests/unit/inspect/sample_events.hpp"
#include "vmm/recording/writer.hpp"

namespace faultline::vmm::inspect {
namespace {

using namespace recording;
using testing::HasSubstr;
using Events = std::vector<Event>;

class DiffTest : public testing::Test {
 protected:
  std::unique_ptr<Reader> reader_of(const Events& run, const std::string& name) {
    const std::string path = folder_.path(name);
    RunInfo info;
    info.backend = name;
    auto writer = Writer::open(path, info);
    EXPECT_TRUE(writer) << writer.error().message;
    for (const Event& event : run) (*writer)->append(event.time_ns, event.process, event.body);
    EXPECT_TRUE((*writer)->close());
    auto reader = Reader::open(path);
    EXPECT_TRUE(reader) << reader.error().message;
    return std::move(*reader);
  }
  Diff diff(const Events& a, const Events& b) { return compare(*reader_of(a, "a"), *reader_of(b, "b")); }
  // The sample run against itself after a change.
  Diff changed(const std::function<void(Events&)>& change) {
    Events other = sample_run();
    change(other);
    return diff(sample_run(), other);
  }
  test::ScratchFolder folder_;
};

template <class What>
What& body(Events& run, std::size_t index) {
  return std::get<What>(run[index].body);
}

TEST_F(DiffTest, ARunIsTheSameAsItself) {
  const Diff d = diff(sample_run(), sample_run());
  EXPECT_TRUE(d.same());
  EXPECT_EQ(d.compared, 7u) << "start, three faults, a call, a signal, the end of the process";
  EXPECT_TRUE(d.divergences.empty());
  EXPECT_EQ(d.a.fault_count(), 3u);
  EXPECT_EQ(d.info_b.backend, "b");
}

TEST_F(DiffTest, TimesProcessIdsAndMajorDoNotCount) {
  EXPECT_TRUE(changed([](Events& run) {
                for (Event& event : run) {
                  event.time_ns *= 3;
                  event.process = 77;
                }
                body<Fault>(run, 2).record.end = FaultEnd::kMajor;
                body<Syscall>(run, 6).result = 77;  // of getpid
              }).same());
}

TEST_F(DiffTest, WhatCounts) {
  const auto differs_at = [this](std::uint64_t number, const std::function<void(Events&)>& change) {
    const Diff d = changed(change);
    EXPECT_FALSE(d.same());
    ASSERT_EQ(d.divergences.size(), 1u);
    ASSERT_TRUE(d.divergences[0].a);
    ASSERT_TRUE(d.divergences[0].b);
    EXPECT_EQ(d.divergences[0].a->number, number);
    EXPECT_EQ(d.divergences[0].b->number, number);
    EXPECT_EQ(d.divergences[0].process, "1");
  };
  differs_at(3, [](Events& run) { body<Fault>(run, 2).record.address = Gva(0x1000); });
  differs_at(3, [](Events& run) { body<Fault>(run, 2).record.error = mmu::ErrorCode(2); });
  differs_at(5, [](Events& run) { body<Fault>(run, 4).record.path.add(mmu::FaultStep::kReuse); });
  differs_at(5, [](Events& run) { body<Fault>(run, 4).record.end = FaultEnd::kEfault; });
  differs_at(9, [](Events& run) { body<Fault>(run, 8).record.signal = 7; });
  differs_at(7, [](Events& run) { body<Syscall>(run, 6).number = 40; });
  differs_at(7, [](Events& run) { body<Syscall>(run, 6).result = -1; });
  differs_at(10, [](Events& run) { body<Signal>(run, 9).action = SignalAction::kHandler; });
  differs_at(11, [](Events& run) { body<ProcessChange>(run, 10).status = 0; });
}

TEST_F(DiffTest, OneThatEndsEarlierDiffers) {
  const Diff d = changed([](Events& run) { run.erase(run.begin() + 8, run.begin() + 11); });
  ASSERT_EQ(d.divergences.size(), 1u);
  EXPECT_EQ(d.divergences[0].a->number, 9u);
  EXPECT_FALSE(d.divergences[0].b);
  EXPECT_EQ(d.divergences[0].common, 4u);
  EXPECT_EQ(d.divergences[0].last_a->number, 7u);
}

// Two children of 100, whose calls come in the order of `turns`.
Events with_children(const std::vector<std::uint32_t>& turns, std::uint32_t first_child) {
  Events run = {sample_run()[0]};
  for (const std::uint32_t child : {first_child, first_child + 1}) {
    ProcessChange fork;
    fork.event = ProcessEvent::kFork;
    fork.parent = 100;
    run.push_back(sample_event(0, 0, fork, child));
  }
  std::map<std::uint32_t, std::uint64_t> calls;
  for (const std::uint32_t turn : turns) {
    Syscall call;
    call.number = 1000 + turn * 100 + calls[turn]++;
    run.push_back(sample_event(0, 0, call, first_child + turn));
  }
  run.push_back(sample_event(0, 0, End{.reason = "exited", .status = 0}));
  return run;
}

TEST_F(DiffTest, HowProcessesTakeTurnsDoesNotCount) {
  EXPECT_TRUE(diff(with_children({0, 0, 0, 1, 1}, 200), with_children({1, 0, 1, 0, 0}, 300)).same());
}

TEST_F(DiffTest, EachProcessDivergesByItself) {
  const Diff d = diff(with_children({0, 0, 1, 1}, 200), with_children({0, 0, 0, 1}, 200));
  EXPECT_EQ(d.differing, 2u);
  ASSERT_EQ(d.divergences.size(), 2u);
  EXPECT_EQ(d.divergences[0].process, "1.1");
  EXPECT_FALSE(d.divergences[0].a);
  EXPECT_EQ(d.divergences[1].process, "1.2");
  EXPECT_FALSE(d.divergences[1].b);
}

TEST_F(DiffTest, WhatARecordingThatIsCutOffDoesNotHaveIsNoDifference) {
  Events cut = sample_run();
  cut.resize(8);
  const auto a = reader_of(sample_run(), "a"), b = reader_of(cut, "b");
  EXPECT_NE(b->problem(), "");
  const Diff d = compare(*a, *b);
  EXPECT_TRUE(d.same());
  EXPECT_EQ(d.compared, 4u);
  EXPECT_FALSE(compare(*b, *reader_of(with_children({}, 200), "c")).same()) << "but what is there must be the same";
}

TEST_F(DiffTest, Text) {
  const Diff d = changed([](Events& run) {
    auto& record = body<Fault>(run, 4).record;
    record.address = Gva(0x555555559000);
    record.times.edit = 4 * record.times.edit;
  });
  fmt::memory_buffer out;
  append_diff_text(out, d, 20, Colour::kNever);
  const std::string text = text_of(out);
  EXPECT_THAT(text, HasSubstr("they differ: in 1 process; 2 events are the same before"));
  EXPECT_THAT(text, testing::ContainsRegex("first divergence: process 1, after 2 .*\nboth  .* fault .*\nA     .* "
                                           "0x555555559ff8 .*\nB     .* 0x555555559000 "));
  EXPECT_THAT(text, testing::ContainsRegex(" 1 +1 +1.0 +2.2 +2.28x .* find_vma > do_wp_page > wp_page_copy\n"));
}

TEST_F(DiffTest, Rows) {
  const Diff d = changed([](Events& run) { body<Fault>(run, 4).record.address = Gva(0x555555559000); });
  fmt::memory_buffer json_out, csv_out;
  RowWriter json(json_out, RowFormat::kJsonLines), csv(csv_out, RowFormat::kCsv);
  append_diff_rows(json, d);
  append_diff_rows(csv, d);
  const auto objects = json_lines(json_out);
  EXPECT_EQ(objects.at(0)["kind"], "divergence");
  EXPECT_EQ(objects.at(0)["event_a"], 5);
  EXPECT_EQ(objects.at(1)["kind"], "guest");
  EXPECT_EQ(objects.at(1)["total_ratio"], 1.0);
  EXPECT_EQ(csv_lines(csv_out).size(), objects.size() + 1);
}

}  // namespace
}  // namespace faultline::vmm::inspect
