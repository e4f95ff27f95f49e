// What is written is read again, whatever becomes of the file.
#include "vmm/recording/writer.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <filesystem>
#include <random>

#include "tests/unit/recording/sample_events.hpp"

namespace faultline::vmm::recording {
namespace {

using testing::HasSubstr;

class WriterTest : public testing::Test {
 protected:
  std::unique_ptr<Reader> open() const {
    auto reader = Reader::open(path_);
    EXPECT_TRUE(reader.has_value()) << reader.error().message;
    return reader ? std::move(*reader) : nullptr;
  }
  // A run of `n` events that differ from each other.
  static std::vector<Event> many(std::size_t n) {
    std::vector<Event> events;
    std::mt19937_64 random(1);
    for (std::size_t i = 0; i < n; ++i)
      events.push_back(sample_event(i * 1000, 100,
                                    Syscall{.number = i % 300,
                                            .arguments = {random(), i, 0, 0, 0, random()},
                                            .result = static_cast<std::int64_t>(i),
                                            .started_ns = i * 1000,
                                            .ended_ns = i * 1000}));
    return events;
  }

  test::ScratchFolder folder_;
  std::string path_ = folder_.path("recording");
};

void expect_same_body(const Body& read, const Body& written, std::uint64_t number) {
  ASSERT_EQ(read.index(), written.index()) << number;
  // Encoding is injective: the same bytes, the same event.
  Encoder a(mmu::PagingMode::kFourLevel), b(mmu::PagingMode::kFourLevel);
  a.begin(0);
  b.begin(0);
  a.add(1000000, 7, read);
  b.add(1000000, 7, written);
  EXPECT_TRUE(std::ranges::equal(a.bytes(), b.bytes())) << "event " << number;
  if (const auto* fault = std::get_if<Fault>(&read)) {
    FaultRecord expected = std::get<Fault>(written).record;
    expected.process = fault->record.process;
    EXPECT_EQ(json(fault->record), json(expected)) << "event " << number;
    EXPECT_EQ(fault->all_edits.size(), std::get<Fault>(written).all_edits.size());
  }
}

TEST_F(WriterTest, EveryKindOfEventComesBackAsItWas) {
  const auto events = sample_events();
  recorded(path_, events);
  const auto reader = open();
  EXPECT_EQ(reader->problem(), "");
  EXPECT_EQ(reader->first(), 1U);
  EXPECT_EQ(reader->last(), events.size());
  for (std::size_t i = 0; i < events.size(); ++i) {
    const auto event = reader->next();
    ASSERT_TRUE(event) << i;
    EXPECT_EQ(event->number, i + 1);
    EXPECT_EQ(event->time_ns, events[i].time_ns);
    EXPECT_EQ(event->process, events[i].process);
    expect_same_body(event->body, events[i].body, i + 1);
  }
  EXPECT_FALSE(reader->next());
}

TEST_F(WriterTest, FieldsHaveTheirValues) {
  recorded(path_, sample_events());
  const auto reader = open();
  reader->seek(4);
  const auto exit = reader->next();
  ASSERT_TRUE(exit && std::holds_alternative<Exit>(exit->body));
  const Exit& e = std::get<Exit>(exit->body);
  EXPECT_EQ(e.entered_ns, 1000U);
  EXPECT_EQ(e.left_ns, 91000U);
  EXPECT_EQ(e.rip, Gva(0x401000));
  EXPECT_EQ(e.raw.port, 0x1e);
  EXPECT_EQ(e.raw.data, 0x10U);
  ASSERT_TRUE(e.regs);
  EXPECT_EQ((*e.regs)[UserRegs::kRcx], 0x404000U + 0x1111);
  reader->seek(6);
  const auto gather = reader->next();
  ASSERT_TRUE(gather);
  const Fault& fault = std::get<Fault>(gather->body);
  EXPECT_EQ(fault.record.edits.total_edits(), 60U);
  EXPECT_EQ(fault.record.edits.edits().size(), mmu::EditLog::kKept);
  EXPECT_EQ(fault.all_edits.size(), 60U);
  EXPECT_EQ(fault.all_edits.back().after.frame(), Gfn(0x99 + 59));
  EXPECT_GT(fault.record.instruction.elements().size(), 0U);
}

TEST_F(WriterTest, TheHeadSaysWhatRan) {
  recorded(path_, {});
  const auto reader = open();
  EXPECT_EQ(reader->info().backend, "kvm-pvm");
  EXPECT_EQ(reader->info().command, sample_info().command);
  EXPECT_EQ(reader->info().memory_bytes, 1ULL << 30);
  EXPECT_TRUE(reader->info().registers);
  EXPECT_EQ(reader->first(), 0U);
  EXPECT_EQ(reader->problem(), "cut off before the first event");
}

TEST_F(WriterTest, SeekingGoesToAnyEvent) {
  const auto events = many(20'000);
  recorded(path_, events);
  const auto reader = open();
  for (const std::uint64_t number : {1ULL, 19'999ULL, 5'000ULL, 5'001ULL, 20'000ULL, 2ULL}) {
    reader->seek(number);
    const auto event = reader->next();
    ASSERT_TRUE(event) << number;
    EXPECT_EQ(event->number, number);
    EXPECT_EQ(event->time_ns, (number - 1) * 1000);
  }
  reader->seek(20'001);
  EXPECT_FALSE(reader->next());
  reader->seek(0);
  EXPECT_EQ(reader->next()->number, 1U);
}

TEST_F(WriterTest, WithoutInstructionsTheyAreNotDecoded) {
  recorded(path_, sample_events());
  const auto reader = open();
  EXPECT_TRUE(reader->decode_instructions(false));
  reader->seek(5);
  auto event = reader->next();
  Fault& fault = std::get<Fault>(event->body);
  EXPECT_EQ(fault.record.instruction.status, decode::DecodeStatus::kNoBytes);
  auto decoder = decode::Decoder::create();
  decode_instruction(*decoder, fault.input, fault.record);
  EXPECT_EQ(fault.record.instruction.text.view(), "mov dword ptr [rax], ecx");
}

TEST_F(WriterTest, WhatIsWrittenInTimeSurvivesAKill) {
  auto writer = Writer::open(path_, sample_info(), {.flush_after = std::chrono::milliseconds(5)});
  ASSERT_TRUE(writer);
  auto events = sample_events();
  events.pop_back();  // the end
  write_events(**writer, events);
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (open()->last() < events.size() && std::chrono::steady_clock::now() < until) ::usleep(2000);
  const auto reader = open();  // the writer still has it open
  EXPECT_EQ(reader->last(), events.size());
  EXPECT_THAT(reader->problem(), HasSubstr("cut off after event 18"));
}

TEST_F(WriterTest, ARingKeepsTheLatestAndNeverGrows) {
  constexpr std::uint64_t kLimit = 1 << 20;
  const std::string path = path_;
  auto writer = Writer::open(path, sample_info(), {.ring_bytes = kLimit, .flush_after = std::chrono::milliseconds(0)});
  ASSERT_TRUE(writer);
  const auto events = many(150'000);
  std::uint64_t keyframes = 0;
  for (const Event& e : events) {
    (*writer)->append(e.time_ns, e.process, e.body);
    if (!(*writer)->wants_keyframe()) continue;
    (*writer)->keyframe_event(e.time_ns, 100, ProcessChange{ProcessEvent::kStart, 0, Gpa(0x1000), "p", 0});
    (*writer)->end_keyframe();
    ++keyframes;
  }
  (*writer)->append(150'000'000, 100, End{"exited", 0});
  ASSERT_TRUE((*writer)->close());
  EXPECT_LE(std::filesystem::file_size(path), kLimit);
  EXPECT_GT((*writer)->bytes_written(), 2 * kLimit) << "the test must go round more than once";
  EXPECT_GE(keyframes, 8U);

  const auto reader = open();
  EXPECT_EQ(reader->problem(), "");
  EXPECT_EQ(reader->info().ring_bytes, kLimit);
  EXPECT_GT(reader->first(), 1U);
  EXPECT_EQ(reader->last(), events.size() + 1);
  EXPECT_GT(reader->last() - reader->first(), 20'000U) << "most of the room is used";
  std::uint64_t expected = reader->first();
  for (auto event = reader->next(); event; event = reader->next()) ASSERT_EQ(event->number, expected++);
  EXPECT_EQ(expected, reader->last() + 1);
  unsigned told = 0;
  const auto state = reader->keyframe(reader->last(), [&told](const Event&) { ++told; });
  ASSERT_TRUE(state);
  EXPECT_GE(*state + 1, reader->first());
  EXPECT_EQ(told, 1U);
}

TEST_F(WriterTest, AFullDiskIsSaidOnceAndEventsAreCounted) {
  std::vector<std::string> said;
  auto writer = Writer::open("/dev/full", sample_info(),
                             {.on_error = [&said](const Error& error) { said.push_back(error.message); }});
  ASSERT_TRUE(writer);
  write_events(**writer, sample_events());
  const auto closed = (*writer)->close();
  ASSERT_FALSE(closed);
  ASSERT_EQ(said.size(), 1U);
  EXPECT_THAT(said[0], HasSubstr("/dev/full: No space left on device"));
  EXPECT_EQ((*writer)->lost(), sample_events().size());
  EXPECT_THAT(closed.error().message, HasSubstr("19 of 19 events are lost"));
}

TEST_F(WriterTest, WhatCannotBeRecordedToIsRefused) {
  EXPECT_FALSE(Writer::open(folder_.path("no/such/folder"), sample_info()));
  EXPECT_FALSE(Writer::open(path_, sample_info(), {.ring_bytes = 4096}));
  ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
  const int keep = ::open(path_.c_str(), O_RDWR | O_CLOEXEC);
  const auto pipe = Writer::open(path_, sample_info());
  ::close(keep);
  ASSERT_FALSE(pipe);
  EXPECT_THAT(pipe.error().message, HasSubstr("not a regular file"));
}

}  // namespace
}  // namespace faultline::vmm::recording
