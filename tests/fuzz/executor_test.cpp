#include "vmm/fuzz/machine/executor.hpp"

#include <gmock/gmock.h>

#include <csignal>

#include "tests/fuzz/machine_parts.hpp"
#include "vmm/fuzz/layout.hpp"

namespace faultline::vmm::fuzz {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr int kSiKernel = 0x80;
constexpr std::uint32_t kReadFault = 4, kWriteFault = 6;
const std::string kMapped = "map 512g 2p rw- private,fixed anonymous 0\n";

class ExecutorTest : public MachineTest {
 protected:
  Result<void> work(Executor& executor) {
    auto more = executor.advance();
    for (; more && *more; more = executor.advance())
      if (auto made = processor.run(executor.mm(), executor.due(), executor); !made) return made;
    return more ? Result<void>() : tl::unexpected(more.error());
  }
  // Runs the program in a world of its own.
  Trace run(const std::string& lines, Checking checking = Checking::kAtEnd) {
    Trace trace;
    begin();
    const Program parsed = program(lines);
    Executor executor(*world, processor, checking, parsed, trace);
    outcome = work(executor);
    EXPECT_THAT(world->end(processor), IsEmpty());
    return trace;
  }
  // Each access faults at `address` until the fault is not resolved, or was.
  void fault_once(std::uint64_t address, std::uint32_t error) {
    processor.make = [this, address, error, asked = false](std::size_t i, const Operation&, AccessSink& to) mutable {
      if (asked) {
        asked = false;
        to.made(i, {});
        return AfterFault::kNext;
      }
      after = to.page_fault(i, Gva(address), mmu::ErrorCode(error));
      asked = after == AfterFault::kAgain;
      return after;
    };
  }

  Result<void> outcome;
  AfterFault after = AfterFault::kStop;
};

// What each call returns, in the world that the lines before it made.
TEST_F(ExecutorTest, CallsReturnWhatLinuxReturns) {
  struct Case {
    std::string lines;
    std::int64_t result;
  };
  const Case cases[] = {
      {"map 512g 2p rw- private,fixed anonymous 0", 0x2000'0000'0000},
      {"map 512g 2p rw- shared,fixed disk 3", 0x2000'0000'0000},
      {"map 512g+1 2p rw- private,fixed anonymous 0", -EINVAL},
      {"map 512g huge rw- private,fixed anonymous 0", -ENOMEM},
      {kMapped + "map 512g+1p 1p rw- private,noreplace anonymous 0", -EEXIST},
      {kMapped + "unmap 512g 1p", 0},
      {"unmap 512g+8 1p", -EINVAL},
      {kMapped + "protect 512g 3p r--", -ENOMEM},
      {kMapped + "protect 512g 2p r--", 0},
      {kMapped + "remap 512g 2p 3p maymove,fixed 1g", 0x2100'4000'0000},
      {"remap 512g 2p 3p none 1g", -EFAULT},
      {kMapped + "advise 512g 2p dontneed", 0},
      {kMapped + "advise 512g 2p remove", -EINVAL},
      {kMapped + "lock 512g 2p none", 0},
      {kMapped + "lock 512g 3p onfault", -ENOMEM},
      {kMapped + "unlock 512g 2p", 0},
      {kMapped + "sync 512g 3p sync", -ENOMEM},
      {kMapped + "sync 512g 2p sync,async", -EINVAL},
      {"resident 512g+1 1p", -EINVAL},
      {"resident 512g 1p", -ENOMEM},
      {"resident 512g maximum", -ENOMEM},
      {"resize memory 5", 0},
      {"fork\nfork", 2},
      {"fork\nfork\nfork\nfork", -EAGAIN},
      {"exit", -EPERM},
      {"fork\nexit", 0},
      {"switch 1", -ESRCH},
      {"fork\nswitch 1", 0},
      {kMapped + "kernel-write 16 512g 1", 16},
      {kMapped + "kernel-write 16 512g+2p-6 1", 6},
      {kMapped + "kernel-read 64 512g", 64},
      {"kernel-read 64 512g", -EFAULT},
      {"flip-entry 512g 1 1", -ENOENT},
      {kMapped + "kernel-write 1 512g 1\nflip-entry 512g 1 1", 0},
      {"flip-entry null 4 1", -ENOENT},  // nothing of a program's is there
  };
  for (const Case& c : cases) {
    const Trace trace = run(c.lines);
    ASSERT_TRUE(outcome) << outcome.error().message;
    EXPECT_THAT(trace.broken, IsEmpty()) << c.lines;
    EXPECT_EQ(trace.steps.back().end, StepEnd::kDone) << c.lines;
    EXPECT_EQ(trace.steps.back().result, c.result) << c.lines;
  }
}

// Whoever has a processor gets the accesses between two calls at once, and the program waits for them.
TEST_F(ExecutorTest, AccessesAreHandedOutListByList) {
  const Program parsed = program("read 1 1g\n" + kMapped + "write 1 512g 0\nread 1 512g\nunmap 512g 1p\n");
  Trace trace;
  begin();
  {
    Executor executor(*world, processor, Checking::kAtEnd, parsed, trace);
    EXPECT_TRUE(executor.due().empty());
    ASSERT_EQ(executor.advance(), true);
    EXPECT_EQ(executor.due().data(), parsed.operations.data());
    EXPECT_EQ(executor.due().size(), 1U);
    EXPECT_TRUE(trace.steps.empty()) << "nobody made it yet";
    executor.made(0, {});
    ASSERT_EQ(executor.advance(), true);
    EXPECT_EQ(executor.due().data(), parsed.operations.data() + 2);
    EXPECT_EQ(executor.due().size(), 2U);
    EXPECT_EQ(trace.steps.size(), 2U) << "what is before them is done";
    executor.made(0, {});
    executor.made(1, {});
    EXPECT_EQ(executor.advance(), false);
    EXPECT_TRUE(executor.due().empty());
  }
  EXPECT_EQ(trace.steps.size(), 5U);
  EXPECT_THAT(world->end(processor), IsEmpty());
}

TEST_F(ExecutorTest, AccessesThatNobodyMadeAreAnError) {
  const Program parsed = program("read 1 1g\nread 1 1g\n");
  Trace trace;
  begin();
  {
    Executor executor(*world, processor, Checking::kAtEnd, parsed, trace);
    ASSERT_EQ(executor.advance(), true);
    executor.made(0, {});
    const auto more = executor.advance();
    ASSERT_FALSE(more);
    EXPECT_EQ(more.error().message, "the processor made 1 accesses of 2");
  }
  EXPECT_THAT(world->end(processor), IsEmpty());
}

TEST_F(ExecutorTest, ResidentTellsEachPage) {
  const Trace trace =
      run("map 512g 20p rw- private,fixed anonymous 0\nkernel-write 1 512g 1\nkernel-write 1 512g+2p 1\n"
          "kernel-write 1 512g+18p 1\nresident 512g 20p\nresident 512g 3p-5");
  const StepResult &long_one = trace.steps.at(4), &short_one = trace.steps.at(5);
  EXPECT_THAT(long_one.bytes, ElementsAre(1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0));
  EXPECT_EQ(long_one.byte_count, 16);  // there is room for no more
  EXPECT_EQ(short_one.byte_count, 3);
}

TEST_F(ExecutorTest, FaultsOfCallsAreCounted) {
  const Trace trace =
      run("map 512g 4p rw- private,fixed,populate anonymous 0\nmap 1g 2p r-- private,fixed disk 0\nkernel-read 1 1g");
  EXPECT_EQ(trace.steps[0].minor, 4U);
  EXPECT_EQ(trace.steps[1].minor, 0U);
  EXPECT_EQ(trace.steps[2].minor, 1U);
  EXPECT_EQ(trace.steps[2].major, 0U);
}

TEST_F(ExecutorTest, AFaultThatIsResolvedIsToldAndTheAccessMadeAgain) {
  fault_once(kAt + 8, kWriteFault);
  const Trace trace = run(kMapped + "write 8 512g+8 1");
  const StepResult& step = trace.steps.back();
  EXPECT_EQ(after, AfterFault::kAgain);
  EXPECT_EQ(step.end, StepEnd::kDone);
  EXPECT_THAT(step.faults, ElementsAre(SeenFault{kAt + 8, kWriteFault}));
  EXPECT_EQ(step.minor, 1U);
  EXPECT_FALSE(step.features.empty());
}

TEST_F(ExecutorTest, FaultsThatAreNotResolvedAreSignals) {
  struct Case {
    std::string lines;
    std::uint64_t address;
    std::uint32_t error;
    int signal, code;
    std::uint32_t reported;
  };
  const Case cases[] = {
      {"write 1 512g 1", kAt, kWriteFault, SIGSEGV, SEGV_MAPERR, kWriteFault},
      {"map 512g 1p r-- private,fixed anonymous 0\nwrite 1 512g 1", kAt, kWriteFault, SIGSEGV, SEGV_ACCERR,
       kWriteFault},
      {"map 512g 1p rw- shared,fixed disk 31\nread 1 512g", kAt, kReadFault, SIGBUS, BUS_ADRERR, kReadFault},
      // What is mapped at an address of the kernel's is not told.
      {"read 1 kernel", 0xffff'8000'0000'0000, kReadFault, SIGSEGV, SEGV_MAPERR, kReadFault | 1},
      {"read 1 vsyscall+1", 0xffff'ffff'ff60'0001, kReadFault, SIGSEGV, SEGV_MAPERR, kReadFault | 1},
  };
  for (const Case& c : cases) {
    fault_once(c.address, c.error);
    const Trace trace = run(c.lines);
    const StepResult& step = trace.steps.back();
    EXPECT_EQ(after, AfterFault::kNext) << c.lines;
    EXPECT_EQ(step.end, StepEnd::kSignal) << c.lines;
    EXPECT_EQ(step.signal, c.signal) << c.lines;
    EXPECT_EQ(step.code, c.code) << c.lines;
    EXPECT_EQ(step.address, c.address) << c.lines;
    EXPECT_EQ(step.error, c.reported) << c.lines;
    EXPECT_THAT(step.faults, ElementsAre(SeenFault{c.address, c.reported})) << c.lines;
  }
}

TEST_F(ExecutorTest, OtherExceptionsAreSignalsOfTheKernel) {
  for (const auto& [vector, signal] : {std::pair(13U, SIGSEGV), std::pair(12U, SIGBUS)}) {
    processor.make = [vector = vector](std::size_t i, const Operation&, AccessSink& to) {
      return to.exception(i, vector, 7);
    };
    const Trace trace = run("read 8 noncanonical\nread 8 noncanonical");
    ASSERT_EQ(trace.steps.size(), 2U);
    EXPECT_EQ(trace.steps[0].end, StepEnd::kSignal);
    EXPECT_EQ(trace.steps[0].signal, signal);
    EXPECT_EQ(trace.steps[0].code, kSiKernel);
    EXPECT_EQ(trace.steps[0].address, 0U);
    EXPECT_EQ(trace.steps[0].error, 7U);
  }
}

// Anything else in the page of the vsyscalls is refused without saying where; a call goes on where
// nobody can follow.
TEST_F(ExecutorTest, FetchesFromTheVsyscallPage) {
  constexpr std::uint64_t kPage = 0xffff'ffff'ff60'0000;
  fault_once(kPage + 8, 0x15);
  const Trace refused = run("fetch vsyscall+8\nread 1 512g");
  EXPECT_EQ(refused.steps.front().end, StepEnd::kSignal);
  EXPECT_EQ(refused.steps.front().code, kSiKernel);
  EXPECT_EQ(refused.steps.front().address, 0U);
  EXPECT_EQ(refused.steps.size(), 2U);
  fault_once(kPage + 0x400, 0x15);
  const Trace called = run("fetch vsyscall+0x400\nread 1 512g\nfork");
  ASSERT_EQ(called.steps.size(), 1U);
  EXPECT_EQ(called.steps.front().end, StepEnd::kNotJudged);
}

TEST_F(ExecutorTest, WhatAnAccessLoadsIsTold) {
  processor.make = [](std::size_t i, const Operation&, AccessSink& to) {
    const std::array<std::uint8_t, 3> loaded{7, 8, 9};
    to.made(i, std::span(loaded).first(i + 1));
    return AfterFault::kNext;
  };
  const Trace trace = run(kMapped + "read 1 512g\nread 2 512g");
  EXPECT_EQ(trace.steps[1].byte_count, 1);
  EXPECT_EQ(trace.steps[2].byte_count, 2);
  EXPECT_EQ(trace.steps[2].bytes[1], 8);
}

TEST_F(ExecutorTest, FaultsInPagesOfTheProcessorsOwnAreNotTold) {
  processor.own_page = kAt;
  fault_once(kAt, kWriteFault);
  const Trace trace = run(kMapped + "write 1 512g 1");
  EXPECT_EQ(after, AfterFault::kAgain);
  EXPECT_THAT(trace.steps.back().faults, IsEmpty());
  EXPECT_EQ(trace.steps.back().minor, 0U);
}

TEST_F(ExecutorTest, AnAccessThatFaultsForEverIsBroken) {
  processor.make = [](std::size_t i, const Operation&, AccessSink& to) {
    return to.page_fault(i, Gva(kAt), mmu::ErrorCode(kWriteFault));
  };
  const Trace trace = run(kMapped + "write 1 512g 1\nfork");
  EXPECT_THAT(trace.broken, ElementsAre("step 1: the access faults for ever"));
  ASSERT_EQ(trace.steps.size(), 2U);  // the program is over
  EXPECT_EQ(trace.steps.back().end, StepEnd::kKilled);
  EXPECT_EQ(trace.steps.back().faults.size(), Executor::kMaxFaults + 1);
}

TEST_F(ExecutorTest, MemoryThatRunsOutKills) {
  fault_once(kAt, kWriteFault);
  const Trace trace = run(kMapped + "fail-allocation 1\nwrite 1 512g 1\nfork");
  EXPECT_EQ(after, AfterFault::kStop);
  ASSERT_EQ(trace.steps.size(), 3U);
  EXPECT_EQ(trace.steps.back().end, StepEnd::kKilled);
  EXPECT_THAT(trace.broken, IsEmpty());
}

TEST_F(ExecutorTest, WhatIsUndefinedEndsTheProgram) {
  processor.make = [](std::size_t i, const Operation&, AccessSink& to) {
    to.undefined(i);
    return AfterFault::kStop;
  };
  const Trace trace = run("read 1 512g\nread 1 512g\nfork");
  ASSERT_EQ(trace.steps.size(), 1U);
  EXPECT_EQ(trace.steps.front().end, StepEnd::kNotJudged);
}

TEST_F(ExecutorTest, AProcessorThatForgetsAccessesIsAnError) {
  processor.most = 2;
  run(kMapped + "read 1 512g\nread 1 512g\nread 1 512g");
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().message, "the processor made 2 accesses of 3");
}

TEST_F(ExecutorTest, ControlsArePutBack) {
  const Trace trace = run("flip-control wp\nflip-control nxe\nflip-control nxe\nread 1 512g");
  ASSERT_TRUE(outcome);
  EXPECT_EQ(trace.steps.front().end, StepEnd::kDone);
  EXPECT_THAT(processor.flipped, ElementsAre(Control::kWp, Control::kNxe, Control::kNxe, Control::kWp));
  processor.can_flip = false;
  const Trace refused = run("flip-control wp\nfork");
  ASSERT_EQ(refused.steps.size(), 1U);
  EXPECT_EQ(refused.steps.front().end, StepEnd::kNotJudged);
}

// Corruption is for accesses to meet: a call finds the tables as mmu left them.
TEST_F(ExecutorTest, FlipsAreUndoneBeforeACall) {
  const std::string flipped = kMapped + "kernel-write 8 512g 1\nflip-entry 512g 1 1\n";
  mmu::Pte seen;
  processor.make = [&](std::size_t i, const Operation&, AccessSink& to) {
    seen = world->mm().tables().find(Gva(kAt)).load();
    to.made(i, {});
    return AfterFault::kNext;
  };
  run(flipped + "read 1 512g");
  EXPECT_FALSE(seen.writable());
  EXPECT_EQ(processor.flipped_entries, 1U);
  const unsigned drops = sink.drops;
  Trace trace = run(flipped + "sync 512g 1p none\nread 1 512g");
  EXPECT_TRUE(seen.writable());
  EXPECT_GT(sink.drops, drops);
  EXPECT_THAT(trace.broken, IsEmpty());
  run(flipped + "flip-entry 512g 1 1\nread 1 512g");
  EXPECT_TRUE(seen.writable());
  run(flipped + "fail-allocation 9\ninvalidate 512g\nread 1 512g");  // neither of these is a call
  EXPECT_FALSE(seen.writable());
  EXPECT_EQ(processor.invalidated, 1U);
}

TEST_F(ExecutorTest, StaleTranslationsAreToldWithTheirStep) {
  processor.stale_translation = "something is stale";
  const Trace trace = run(kMapped + "unmap 512g 1p");
  ASSERT_EQ(trace.broken.size(), 3U);
  EXPECT_EQ(trace.broken[0], "after step 0: something is stale");
  EXPECT_EQ(trace.broken[1], "after step 1: something is stale");
}

// What is broken is found where it happens, if every step is looked at.
TEST_F(ExecutorTest, InvariantsAreCheckedAtTheEndOrAfterEveryStep) {
  mmu::Frame* broken = nullptr;
  processor.make = [&](std::size_t i, const Operation& access, AccessSink& to) {
    if (access.op == Op::kWrite) {
      broken = &frames.at(world->mm().tables().walk(Gva(kAt)).physical().page());
      broken->mapcount.fetch_add(1);
    } else if (broken != nullptr) {
      broken->mapcount.fetch_sub(1);
      broken = nullptr;
    }
    to.made(i, {});
    return AfterFault::kNext;
  };
  const std::string lines = kMapped + "kernel-write 8 512g 1\nwrite 1 512g 1\nsync 512g 1p none\nread 1 512g";
  EXPECT_THAT(run(lines, Checking::kAtEnd).broken, IsEmpty());
  EXPECT_THAT(run(lines, Checking::kEveryStep).broken, ElementsAre(HasSubstr("after step 2: ")));
}

}  // namespace
}  // namespace faultline::vmm::fuzz
