#include "vmm/fuzz/machine/world.hpp"

#include <gmock/gmock.h>

#include <cstring>

#include "mmu/space/uaccess.hpp"
#include "tests/fuzz/machine_parts.hpp"
#include "vmm/fuzz/layout.hpp"

namespace faultline::vmm::fuzz {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class WorldTest : public MachineTest {
 protected:
  void map(FileOperand file, int flags, std::uint64_t pages = 1, Pgoff page = Pgoff(0)) {
    mmu::MmapRequest request{.address = kAt,
                             .length = pages * kPageSize,
                             .prot = PROT_READ | PROT_WRITE,
                             .flags = flags | MAP_FIXED,
                             .offset = page.raw() << kPageShift};
    if (file == FileOperand::kNone)
      request.flags |= MAP_ANONYMOUS;
    else
      request.file = world->mapping(file);
    ASSERT_TRUE(mmu::do_mmap(world->mm(), request));
  }
  bool store(std::uint64_t address, char byte) {
    return mmu::copy_to_user(world->mm(), Gva(address), std::as_bytes(std::span(&byte, 1))) == 0;
  }
  std::optional<char> load(std::uint64_t address) {
    char byte = 0;
    if (mmu::copy_from_user(world->mm(), std::as_writable_bytes(std::span(&byte, 1)), Gva(address)) != 0)
      return std::nullopt;
    return byte;
  }
  std::byte in_file(FileOperand file, std::uint64_t at) {
    std::array<std::byte, kPageSize> page{};
    world->file(file).copy_page(Pgoff(at >> kPageShift), page);
    return page[at & kPageMask];
  }
};

TEST_F(WorldTest, EveryProgramStartsAlike) {
  std::optional<Gfn> root;
  for (unsigned i = 0; i < 3; ++i) {
    begin();
    EXPECT_EQ(root.value_or(world->mm().tables().root()), world->mm().tables().root());
    root = world->mm().tables().root();
    EXPECT_EQ(world->current(), 0U);
    for (unsigned other = 1; other < kMaxProcesses; ++other) EXPECT_EQ(world->process(other), nullptr);
    for (const FileOperand file : {FileOperand::kDisk, FileOperand::kMemory}) {
      EXPECT_EQ(world->file(file).size(), kFileBytes);
      for (const std::uint64_t at : {std::uint64_t{0}, 3 * kPageSize + 17, kFileBytes - 1})
        EXPECT_EQ(in_file(file, at), std::byte{file_byte(file, at)});
    }
    // What the next one must not see.
    map(FileOperand::kMemory, MAP_SHARED, 2);
    EXPECT_TRUE(store(kAt, 'x'));
    world->resize(FileOperand::kMemory, 5);
    world->resize(FileOperand::kDisk, 0);
    ASSERT_TRUE(world->fork(processor));
    ASSERT_TRUE(world->switch_to(1));
    EXPECT_THAT(world->end(processor), IsEmpty());
    EXPECT_EQ(processor.adopted, 2 * (i + 1));
    EXPECT_EQ(processor.released, 2 * (i + 1));
  }
}

TEST_F(WorldTest, ProcessesHaveTheLowestFreeNumbers) {
  begin();
  for (unsigned i = 1; i < kMaxProcesses; ++i) EXPECT_EQ(**world->fork(processor), i);
  EXPECT_EQ(world->fork(processor)->error(), Errno(EAGAIN));
  ASSERT_TRUE(world->switch_to(1));
  EXPECT_TRUE(world->exit(processor));
  EXPECT_EQ(world->current(), 0U);
  EXPECT_FALSE(world->switch_to(1));
  EXPECT_EQ(world->current(), 0U);
  EXPECT_EQ(**world->fork(processor), 1U);
  EXPECT_TRUE(world->exit(processor));  // 0
  EXPECT_EQ(world->current(), 1U);
  EXPECT_TRUE(world->exit(processor));
  EXPECT_TRUE(world->exit(processor));
  EXPECT_EQ(world->current(), 3U);
  EXPECT_FALSE(world->exit(processor));  // the last one stays
  EXPECT_EQ(world->current(), 3U);
  EXPECT_THAT(world->end(processor), IsEmpty());
}

TEST_F(WorldTest, AForkThatFindsNoMemoryLeavesNothing) {
  begin();
  map(FileOperand::kNone, MAP_PRIVATE);
  ASSERT_TRUE(store(kAt, 'x'));
  const std::uint64_t used = frames.used_frames();
  for (std::uint64_t nth = 1; nth <= 3; ++nth) {
    frames.fail_nth(nth);
    EXPECT_EQ(world->fork(processor)->error(), Errno(ENOMEM));
    EXPECT_EQ(world->process(1), nullptr);
    EXPECT_EQ(frames.used_frames(), used);
  }
  EXPECT_EQ(processor.adopted, 1U);
  EXPECT_THAT(world->end(processor), IsEmpty());
}

// An allocation that is to fail is one of the program's, not of the processor's.
TEST_F(WorldTest, WhatAProcessorAllocatesDoesNotFail) {
  begin();
  frames.fail_nth(60);
  ASSERT_TRUE(*world->fork(processor));
  EXPECT_EQ(processor.failing_while_adopting, 0U);
  EXPECT_GT(frames.failing_nth(), 1U);
  EXPECT_LT(frames.failing_nth(), 60U);
  EXPECT_THAT(world->end(processor), IsEmpty());
  EXPECT_EQ(frames.failing_nth(), 0U);
}

TEST_F(WorldTest, AFileThatGrowsKeepsOrClearsItsLastPage) {
  for (const FileOperand file : {FileOperand::kDisk, FileOperand::kMemory}) {
    for (const std::uint64_t size : {std::uint64_t{200}, 3 * kPageSize}) {
      begin();
      world->resize(file, 100);
      map(file, MAP_SHARED, 3);
      EXPECT_TRUE(store(kAt + 99, 'i'));
      EXPECT_TRUE(store(kAt + 150, 'x'));
      EXPECT_TRUE(store(kAt + 300, 'y'));
      EXPECT_EQ(load(kAt + kPageSize), std::nullopt);  // beyond the end
      world->resize(file, size);
      const bool kept = file == FileOperand::kMemory;
      EXPECT_EQ(load(kAt + 99), 'i');
      EXPECT_EQ(load(kAt + 150), kept ? 'x' : '\0');
      EXPECT_EQ(load(kAt + 300), kept ? 'y' : '\0');
      EXPECT_EQ(load(kAt + kPageSize), size > kPageSize ? std::optional('\0') : std::nullopt);
      EXPECT_THAT(world->end(processor), IsEmpty());
    }
  }
}

TEST_F(WorldTest, AFileThatShrinksTakesPrivateCopiesAlong) {
  begin();
  map(FileOperand::kDisk, MAP_PRIVATE, 2);
  EXPECT_TRUE(store(kAt, 'x'));
  EXPECT_TRUE(store(kAt + kPageSize, 'y'));
  ASSERT_TRUE(*world->fork(processor));
  world->resize(FileOperand::kDisk, kPageSize);
  for (const unsigned process : {0U, 1U}) {
    ASSERT_TRUE(world->switch_to(process));
    EXPECT_EQ(load(kAt), 'x');
    EXPECT_EQ(load(kAt + kPageSize), std::nullopt);
  }
  EXPECT_THAT(world->end(processor), IsEmpty());
}

TEST_F(WorldTest, KnowsWhichFileAVmaShows) {
  begin();
  for (const FileOperand file : {FileOperand::kNone, FileOperand::kDisk, FileOperand::kMemory}) {
    map(file, MAP_SHARED);
    EXPECT_EQ(world->file_of(*world->mm().vmas.find(Gva(kAt))), file);
  }
  EXPECT_THAT(world->end(processor), IsEmpty());
}

TEST_F(WorldTest, TellsOfFramesThatNobodyGaveBack) {
  begin();
  ASSERT_TRUE(frames.allocate(mmu::FrameKind::kAnon, mmu::Zeroing::kNeeded));
  EXPECT_THAT(world->end(processor), ElementsAre(HasSubstr("1 frames leaked")));
  begin();
  EXPECT_THAT(world->end(processor), IsEmpty());
}

TEST_F(WorldTest, TellsOfMetadataThatNobodyGaveBack) {
  begin();
  frames.charge_metadata(40);
  EXPECT_THAT(world->end(processor), ElementsAre(HasSubstr("40 bytes of metadata leaked")));
  begin();
  EXPECT_THAT(world->end(processor), IsEmpty());
}

TEST_F(WorldTest, TellsOfAZeroPageThatWasWrittenUnlessTablesAreCorrupt) {
  for (const bool corrupt : {false, true, false}) {
    begin();
    const Gfn zero = world->mm().env().zero_frame;
    const auto page = frames.memory().page(zero);
    EXPECT_EQ(std::memcmp(page.data(), page.data() + 1, kPageSize - 1), 0);
    EXPECT_EQ(page[0], std::byte{0});
    page[77] = std::byte{1};
    if (corrupt) world->expect_corruption();
    if (corrupt)
      EXPECT_THAT(world->end(processor), IsEmpty());
    else
      EXPECT_THAT(world->end(processor), ElementsAre("the zero page was written"));
  }
}

// A page of the cache with something else in it than the file, and nobody who would write it back.
TEST_F(WorldTest, TellsOfAStoreThatWouldBeLost) {
  for (const bool corrupt : {false, true}) {
    begin();
    map(FileOperand::kMemory, MAP_SHARED, 2);
    EXPECT_TRUE(store(kAt + kPageSize, 'x'));
    const Gfn frame = *world->mapping(FileOperand::kMemory)->find(Pgoff(1));
    ASSERT_TRUE(mmu::do_munmap(world->mm(), kAt, 2 * kPageSize));
    ASSERT_TRUE(frames.at(frame).dirty);
    frames.at(frame).dirty = false;
    if (corrupt) world->expect_corruption();
    if (corrupt)
      EXPECT_THAT(world->end(processor), IsEmpty()) << "a private page whose entry was made writable";
    else
      EXPECT_THAT(world->end(processor), ElementsAre("page 1 of a file is clean, and not what the file has"));
  }
}

TEST_F(WorldTest, ChecksEveryAddressSpace) {
  begin();
  map(FileOperand::kNone, MAP_PRIVATE);
  EXPECT_TRUE(store(kAt, 'x'));
  ASSERT_TRUE(*world->fork(processor));
  EXPECT_EQ(world->check(), std::nullopt);
  mmu::Frame& frame = frames.at(world->process(1)->tables().walk(Gva(kAt)).physical().page());
  frame.mapcount.fetch_add(1);
  EXPECT_NE(world->check(), std::nullopt);
  frame.mapcount.fetch_sub(1);
  EXPECT_EQ(world->check(), std::nullopt);
  EXPECT_THAT(world->end(processor), IsEmpty());
}

}  // namespace
}  // namespace faultline::vmm::fuzz
