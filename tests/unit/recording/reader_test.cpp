// Torn, damaged and hostile files: what is good up to the first bad frame is given, the rest is named.
#include "vmm/recording/reader.hpp"

#include <gmock/gmock.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/unit/recording/fuzz_reader.hpp"
#include "tests/unit/recording/sample_events.hpp"
#include "vmm/recording/file_format.hpp"

namespace faultline::vmm::recording {
namespace {

using testing::AllOf;
using testing::AnyOf;
using testing::HasSubstr;
using testing::StartsWith;

class ReaderTest : public testing::Test {
 protected:
  // Three frames: each keyframe closes the one before it.
  std::string three_frames() const {
    const auto events = sample_events();
    auto writer = Writer::open(path_, sample_info(), {.flush_after = std::chrono::milliseconds(0)});
    for (std::size_t i = 0; i < events.size(); ++i) {
      (*writer)->append(events[i].time_ns, events[i].process, events[i].body);
      if (i != 6 && i != 12) continue;
      (*writer)->keyframe_event(events[i].time_ns, 100, events[0].body);
      (*writer)->end_keyframe();
    }
    EXPECT_TRUE((*writer)->close());
    std::ifstream file(path_, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  // How many events a file gives before it ends.
  struct Read {
    bool opened = false;
    std::uint64_t events = 0, last = 0;
    std::string problem;
  };
  Read read(const std::string& bytes) const {
    // In memory: thousands of files are slow on a disk.
    const int fd = ::memfd_create("recording", MFD_CLOEXEC);
    EXPECT_EQ(::write(fd, bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
    auto reader = Reader::open("/proc/self/fd/" + std::to_string(fd));
    ::close(fd);
    if (!reader) return {false, 0, 0, reader.error().message};
    (*reader)->decode_instructions(false);
    Read result;
    result.opened = true;
    while (const auto event = (*reader)->next()) {
      EXPECT_EQ(event->number, result.events + 1);
      ++result.events;
    }
    result.last = (*reader)->last();
    result.problem = (*reader)->problem();
    return result;
  }

  test::ScratchFolder folder_;
  std::string path_ = folder_.path("recording");
};

TEST_F(ReaderTest, AFileCutAnywhereIsReadToItsLastWholeFrame) {
  const std::string whole = three_frames();
  const std::uint64_t all = sample_events().size();
  EXPECT_EQ(read(whole).events, all);
  EXPECT_EQ(read(whole).problem, "");
  std::uint64_t before = 0;
  for (std::size_t length = 0; length < whole.size(); ++length) {
    const Read cut = read(whole.substr(0, length));
    ASSERT_NE(cut.problem, "") << length;
    ASSERT_THAT(cut.events, AnyOf(0U, 7U, 13U)) << length;
    ASSERT_EQ(cut.events, cut.last) << length;
    ASSERT_GE(cut.events, before) << length;
    before = cut.events;
  }
  EXPECT_EQ(before, 13U);
}

TEST_F(ReaderTest, NoChangedByteGoesUnnoticed) {
  const std::string whole = three_frames();
  for (std::size_t at = 0; at < whole.size(); ++at) {
    std::string bytes = whole;
    bytes[at] = static_cast<char>(bytes[at] ^ (1 << at % 8));
    const Read changed = read(bytes);
    ASSERT_NE(changed.problem, "") << at;
    ASSERT_THAT(changed.events, AnyOf(0U, 7U, 13U)) << at;
  }
}

TEST_F(ReaderTest, WhatIsNoRecordingIsRefusedInOneLine) {
  for (const std::string& bytes :
       {std::string(), std::string("FLREC"), std::string(100, '\0'), std::string("#!/bin/sh\n")}) {
    const Read refused = read(bytes);
    EXPECT_FALSE(refused.opened);
    EXPECT_THAT(refused.problem, AllOf(StartsWith("/proc/self/fd/"), HasSubstr(": not a recording of faultline")));
  }
  EXPECT_THAT(Reader::open(folder_.path("absent")).error().message, HasSubstr("absent: No such file or directory"));
  EXPECT_THAT(Reader::open(folder_.path()).error().message, HasSubstr("not a regular file"));
}

TEST_F(ReaderTest, AnotherVersionIsNamed) {
  std::string bytes = three_frames();
  bytes[8] = 9;
  EXPECT_THAT(read(bytes).problem, HasSubstr("version 9 of the format; this faultline reads version 1"));
}

// A frame whose checksums are right around bytes that mean nothing, in place of the second one.
std::string with_forged_frame(const std::string& whole, std::size_t at, FrameHead head, const Bytes& payload) {
  head.checksum = checksum(payload);
  const auto packed = pack(head);
  std::string bytes = whole.substr(0, at);
  bytes.append(packed.begin(), packed.end());
  bytes.append(payload.begin(), payload.end());
  return bytes;
}

TEST_F(ReaderTest, ForgedFramesCostLittleAndEndTheReading) {
  const std::string whole = three_frames();
  const std::size_t info =
      kFileHeadBytes + static_cast<unsigned char>(whole[12]) + 256U * static_cast<unsigned char>(whole[13]);
  const auto first = unpack(std::span<const std::uint8_t, kFrameHeadBytes>(
      reinterpret_cast<const std::uint8_t*>(whole.data()) + info, kFrameHeadBytes));
  ASSERT_TRUE(first);
  const std::size_t second = info + kFrameHeadBytes + first->stored_bytes;
  const FrameHead plain{.events = 3, .sequence = 1, .first_event = 8, .raw_bytes = 16, .stored_bytes = 4};
  // Not zstd at all.
  EXPECT_THAT(read(with_forged_frame(whole, second, plain, {1, 2, 3, 4})).problem, HasSubstr("cannot be decompressed"));
  // Sizes that nothing can have.
  FrameHead huge = plain;
  huge.raw_bytes = 0xffff'ffff;
  EXPECT_THAT(read(with_forged_frame(whole, second, huge, {1, 2, 3, 4})).problem, HasSubstr("head is damaged"));
  huge = plain;
  huge.stored_bytes = 0xffff'ffff;
  EXPECT_THAT(read(with_forged_frame(whole, second, huge, {1, 2, 3, 4})).problem, HasSubstr("head is damaged"));
  // Numbers that do not follow.
  FrameHead gap = plain;
  gap.first_event = 9;
  EXPECT_THAT(read(with_forged_frame(whole, second, gap, {1, 2, 3, 4})).problem, HasSubstr("does not follow"));
  gap = plain;
  gap.sequence = 2;
  const Read forged = read(with_forged_frame(whole, second, gap, {1, 2, 3, 4}));
  EXPECT_THAT(forged.problem, HasSubstr("does not follow"));
  EXPECT_EQ(forged.events, 7U);
}

TEST_F(ReaderTest, WhateverAFrameHoldsIsReadWithoutHarm) {
  for (const auto& [name, bytes] : fuzz_corpus()) {
    SCOPED_TRACE(name);
    EXPECT_EQ(LLVMFuzzerTestOneInput(bytes.data(), bytes.size()), 0);
  }
}

// A fuzzer in small: seeds of the corpus, changed at random, for as long as a test may take.
TEST_F(ReaderTest, ChangedFramesAreReadWithoutHarm) {
  std::uint64_t random = 0x1234'5678'9abc'def1;
  const auto next = [&random] { return random = random * 6364136223846793005ULL + 1442695040888963407ULL; };
  const auto corpus = fuzz_corpus();
  ASSERT_FALSE(corpus.empty());
  for (unsigned round = 0; round < 3000; ++round) {
    Bytes bytes = corpus[(next() >> 33) % corpus.size()].second;
    const unsigned changes = 1 + (next() >> 33) % 8;
    for (unsigned i = 0; i < changes && !bytes.empty(); ++i) {
      const std::size_t at = (next() >> 33) % bytes.size();
      switch ((next() >> 33) % 4) {
        case 0: bytes[at] = static_cast<std::uint8_t>(next() >> 56); break;
        case 1: bytes[at] = 0xff; break;
        case 2: bytes.erase(bytes.begin() + static_cast<std::ptrdiff_t>(at)); break;
        case 3: bytes.insert(bytes.begin() + static_cast<std::ptrdiff_t>(at), static_cast<std::uint8_t>(next() >> 56));
      }
    }
    ASSERT_EQ(LLVMFuzzerTestOneInput(bytes.data(), bytes.size()), 0);
  }
}

}  // namespace
}  // namespace faultline::vmm::recording
