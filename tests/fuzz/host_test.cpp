// The host judge: what Linux itself makes of programs, and that it is left as it was.
#include <dirent.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <random>

#include "tests/support/recurring.hpp"
#include "vmm/fuzz/generate.hpp"
#include "vmm/fuzz/host/files.hpp"
#include "vmm/fuzz/host/runner.hpp"
#include "vmm/fuzz/judge.hpp"
#include "vmm/fuzz/layout.hpp"
#include "vmm/fuzz/text.hpp"

namespace faultline::vmm::fuzz {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr std::uint64_t k1g = 0x2100'4000'0000;

class HostTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto made = make_host();
    if (!made) GTEST_SKIP() << made.error().message;
    judge_ = std::move(*made);
  }

  Trace run(const std::string& lines) {
    const auto program = parse_text("faultline-fuzz 1\n" + lines, "test");
    if (!program) throw std::runtime_error(program.error().message);
    auto trace = judge_->run(*program);
    if (!trace) throw std::runtime_error(trace.error().message);
    EXPECT_EQ(trace->steps.size(), program->operations.size());
    return std::move(*trace);
  }

  std::unique_ptr<Judge> judge_;
};

// Where the tracepoint can be had; elsewhere the judge says that it does not know.
void expect_faults(const Trace& trace, std::size_t step, const std::vector<SeenFault>& faults) {
  if ((trace.fields & kFaultsField) == 0) return;
  EXPECT_EQ(trace.steps.at(step).faults, faults) << "step " << step;
}

void expect_signal(const StepResult& step, int signal, int code, std::uint64_t address, std::uint32_t error) {
  EXPECT_EQ(step.end, StepEnd::kSignal);
  EXPECT_EQ(step.signal, signal);
  EXPECT_EQ(step.code, code);
  EXPECT_EQ(step.address, address);
  EXPECT_EQ(step.error, error);
}

std::vector<std::uint8_t> loaded(const StepResult& step) {
  return {step.bytes.begin(), step.bytes.begin() + step.byte_count};
}

TEST_F(HostTest, WritesAfterForkAreCopied) {
  const Trace trace =
      run("map 1g 2p rw- private,fixed anonymous 0\n"
          "write 1 1g+8 1\n"
          "fork\n"
          "write 1 1g+8 2\n"
          "switch 1\n"
          "read 1 1g+8\n"
          "write 1 1g+8 3\n");
  EXPECT_EQ(trace.steps[2].result, 1);
  EXPECT_EQ(trace.steps[3].minor, 1u);
  expect_faults(trace, 1, {{k1g + 8, 6}});
  expect_faults(trace, 3, {{k1g + 8, 7}});
  EXPECT_THAT(loaded(trace.steps[5]), ElementsAre(kBytes[1]));
  expect_faults(trace, 6, {{k1g + 8, 7}});
  ASSERT_THAT(trace.processes, SizeIs(2));
  ASSERT_THAT(trace.processes[0].content, SizeIs(2));
  EXPECT_NE(trace.processes[0].content[0], trace.processes[1].content[0]);
  EXPECT_EQ(trace.processes[0].content[1], trace.processes[1].content[1]);
  EXPECT_THAT(trace.processes[0].pages, ElementsAre(SeenPage{.address = k1g, .present = true}));
}

TEST_F(HostTest, ExitPassesTheTurnToTheLowestAlive) {
  const Trace trace =
      run("map 1g 1p rw- private,fixed anonymous 0\n"
          "write 1 1g 1\n"
          "fork\n"
          "fork\n"
          "exit\n"
          "write 1 1g 2\n"
          "exit\n"
          "read 1 1g\n"
          "exit\n"
          "fork\n");
  EXPECT_EQ(trace.steps[3].result, 2);
  EXPECT_EQ(trace.steps[4].result, 0);
  EXPECT_EQ(trace.steps[5].minor, 1u);
  EXPECT_THAT(loaded(trace.steps[7]), ElementsAre(kBytes[1]));
  EXPECT_EQ(trace.steps[8].result, -EPERM);
  EXPECT_EQ(trace.steps[9].result, 0);
  ASSERT_THAT(trace.processes, SizeIs(2));
  EXPECT_EQ(trace.processes[0].number, 0u);
  EXPECT_EQ(trace.processes[1].number, 2u);
}

TEST_F(HostTest, SignalsCarryCodeAddressAndError) {
  const Trace trace =
      run("read 4 1g+1\n"
          "map 1g 1p r-- private,fixed anonymous 0\n"
          "read 1 1g\n"
          "write 2 1g+2 5\n"
          "fetch 1g+3\n"
          "read 8 noncanonical\n"
          "read 1 kernel\n"
          "map 512g 12p r-- shared,fixed disk 0\n"
          "read 1 512g+9p+5\n"
          "map low 1p rwx private,fixed anonymous 0\n"
          "fetch low\n"
          "fill 1 low 0\n"
          "fetch low\n"
          "read 8 1g+1p-4\n");
  expect_signal(trace.steps[0], SIGSEGV, SEGV_MAPERR, k1g + 1, 4);
  expect_signal(trace.steps[3], SIGSEGV, SEGV_ACCERR, k1g + 2, 7);
  expect_signal(trace.steps[4], SIGSEGV, SEGV_ACCERR, k1g + 3, 0x15);
  expect_signal(trace.steps[5], SIGSEGV, SI_KERNEL, 0, 0);
  expect_signal(trace.steps[6], SIGSEGV, SEGV_MAPERR, 0xffff'8000'0000'0000, 5);
  expect_signal(trace.steps[8], SIGBUS, BUS_ADRERR, 0x2000'0000'9005, 4);
  expect_signal(trace.steps[10], SIGSEGV, SI_KERNEL, 0, 0);  // ADD [RAX], AL
  EXPECT_EQ(trace.steps[12].end, StepEnd::kDone);
  expect_signal(trace.steps[13], SIGSEGV, SEGV_MAPERR, k1g + 0x1000, 4);
}

TEST_F(HostTest, AStoreThatStraddlesIntoNothingStoresNothing) {
  const Trace trace =
      run("map 1g 1p rw- private,fixed anonymous 0\n"
          "write 8 1g+1p-4 5\n"
          "read 4 1g+1p-4\n"
          "copy 8 1g 1g+1p-4\n");
  expect_signal(trace.steps[1], SIGSEGV, SEGV_MAPERR, k1g + 0x1000, 6);
  EXPECT_THAT(loaded(trace.steps[2]), ElementsAre(0, 0, 0, 0));
  expect_signal(trace.steps[3], SIGSEGV, SEGV_MAPERR, k1g + 0x1000, 6);
}

TEST_F(HostTest, KernelCopiesEndAtTheFirstBadByte) {
  const Trace trace =
      run("map 1g 2p rw- private,fixed anonymous 0\n"
          "kernel-read 20 1g+2p-7\n"
          "kernel-write 64 1g+2p-13 9\n"
          "kernel-write 8 1g+1p-3 9\n"
          "kernel-read 8 1g+2p\n"
          "read 4 1g+1p-3\n"
          "protect 1g 1p ---\n"
          "kernel-read 8 1g+4\n");
  EXPECT_EQ(trace.steps[1].result, 7);
  EXPECT_EQ(trace.steps[2].result, 13);
  EXPECT_EQ(trace.steps[3].result, 8);
  EXPECT_EQ(trace.steps[4].result, -EFAULT);
  EXPECT_THAT(loaded(trace.steps[5]),
              ElementsAre(pattern_byte(9, 0), pattern_byte(9, 1), pattern_byte(9, 2), pattern_byte(9, 3)));
  EXPECT_EQ(trace.steps[7].result, -EFAULT);
}

TEST_F(HostTest, EveryProgramFindsTheFilesAsTheyAreAtTheStart) {
  const std::string look =
      "map 1g 12p rw- shared,fixed disk 0\nmap 512g 12p rw- shared,fixed memory 0\nread 8 1g+1p\nread 8 512g+8p\n";
  const Trace before = run(look);
  run(look + "write 8 1g+1p 3\nwrite 8 512g+8p+0x800 3\nadvise 1g+2p 2p remove\nresize memory 3p\nresize disk 20p\n" +
      "read 1 1g+15p\n");
  const Trace after = run(look);
  ASSERT_THAT(before.processes, SizeIs(1));
  EXPECT_THAT(before.processes[0].content, SizeIs(18));
  EXPECT_EQ(before.processes[0].content, after.processes[0].content);
  EXPECT_EQ(before.processes[0].pages, after.processes[0].pages);
  EXPECT_EQ(loaded(before.steps[2]), loaded(after.steps[2]));
  EXPECT_EQ(loaded(before.steps[2])[0], file_byte(FileOperand::kDisk, kPageSize));
}

TEST_F(HostTest, WhatOnlyPageTablesKnowIsNotJudged) {
  const auto program = parse_text("faultline-fuzz 1\nread 1 1g\nflip-control wp\nread 1 1g\n", "test");
  ASSERT_TRUE(program);
  const auto trace = judge_->run(*program);
  ASSERT_TRUE(trace);
  ASSERT_THAT(trace->steps, SizeIs(2));
  EXPECT_EQ(trace->steps[1].end, StepEnd::kNotJudged);
  EXPECT_THAT(trace->processes, IsEmpty());
}

// One operation a program, of every kind, with operands at their ends.
std::vector<std::int64_t> extremes(OperandKind kind) {
  using K = OperandKind;
  std::vector<std::int64_t> values{0, 1, 2, 3, 4, 7, 8, 16, 31, 63, 64, 127, 255};
  if (kind == K::kLength || kind == K::kBytes) values.insert(values.end(), {4095, 4096, 32 << 12, 96 << 12});
  if (kind == K::kLength)
    for (const std::uint64_t length : kAbsurdLengths) values.push_back(static_cast<std::int64_t>(length));
  if (kind != K::kAddress) return values;
  values.clear();
  for (std::uint8_t place = 0; place < kPlaces.size(); ++place)
    for (const std::int32_t offset : {-kMaxOffset, -4096, -1, 0, 1, 4096, kMaxOffset})
      values.push_back(pack({place, offset}));
  return values;
}

Operation hostile(Op op, std::mt19937_64& random) {
  for (;;) {
    Operation operation{.op = op};
    for (std::size_t i = 0; i < row(op).operand_count(); ++i) {
      const auto values = extremes(row(op).operands[i]);
      operation.operands[i] = values[random() % values.size()];
    }
    if (!illegal(operation)) return operation;
  }
}

TEST_F(HostTest, HostileProgramsHarmNobody) {
  std::mt19937_64 random(1);
  for (const OpRow& r : operation_table()) {
    if ((r.judges & kHost) == 0) continue;
    for (int i = 0; i < 6; ++i) {
      Program program;
      for (int n = 0; n < 12; ++n) program.operations.push_back(hostile(n % 3 == 0 ? Op::kMap : r.op, random));
      const auto trace = judge_->run(program);
      ASSERT_TRUE(trace) << trace.error().message << "\n" << to_text(program);
    }
  }
  EXPECT_EQ(run("map 1g 1p rw- private,fixed anonymous 0\nwrite 1 1g 1\n").steps[1].end, StepEnd::kDone);
}

TEST_F(HostTest, TheReferenceAgrees) {
  const auto reference = make_reference();
  std::mt19937_64 random(7);
  const auto words = [](const Disagreement& d) {
    return "step " + std::to_string(d.step) + ", " + d.field + ": " + d.first_value + " | " + d.second_value;
  };
  for (int i = 0; i < 200; ++i) {
    const Program program = generate(random, {});
    const auto difference = test::recurring(
        3,
        [&]() -> std::optional<Disagreement> {
          const auto host = judge_->run(program);
          const auto other = reference->run(program);
          if (!host || !other) return Disagreement{"linux", "reference", 0, "run", "", ""};
          return compare(program, *host, *other);
        },
        [&](const auto& d) { return words(*d); });
    ASSERT_FALSE(difference) << words(*difference) << "\n" << to_text(program);
  }
}

// What once was different, in what mmu does.
constexpr const char* kOnceDifferent[] = {
    "map null-1 1p --- private,fixed anonymous 0\n",
    "map 1g 1p r-- private,fixed anonymous 0\nread 1 1g\nremap 1g 1p 1p maymove,fixed,dontunmap 1g+1p\n",
    "map 1g 9p rw- shared,fixed disk 0\nadvise 1g 9p remove\nread 1 1g+4p\nread 1 1g+1p\n",
    "map 1g 9p rw- shared,fixed disk 0\nadvise 1g 9p remove\nlock 1g 9p none\n",
    "map 1g 2p r-- private,fixed disk 8\nread 1 1g+1p\nwrite 1 1g 0\n",
    "map 1g+29p 5p r-- private,fixed disk 5\nread 1 1g+33p\n",
    "map 1g 1p rw- private,fixed disk 8\nwrite 1 1g+0x800 3\nfetch vsyscall+1\n",
    "sync low huge sync\nadvise low huge dontneed\n",
    "map 512g 1p r-- private,fixed,growsdown anonymous 0\nread 1 512g\nread 1 low\nfork\n",
    "sync low-16p maximum none\nadvise null maximum populate-read\n",
};

TEST_F(HostTest, TheModelAgreesAboutWhatOnceWasDifferent) {
  auto model = make_model();
  ASSERT_TRUE(model);
  for (const char* lines : kOnceDifferent) {
    const auto program = parse_text(std::string("faultline-fuzz 1\n") + lines, "test");
    ASSERT_TRUE(program) << program.error().message;
    const auto difference = test::recurring(
        3, [&] { return compare(*program, *judge_->run(*program), *(*model)->run(*program)); },
        [&](const auto& d) { return d->field; });
    EXPECT_FALSE(difference) << lines << "step " << difference->step << ", " << difference->field << ": "
                             << difference->first_value << " | " << difference->second_value;
  }
}

std::size_t descriptors() {
  const std::filesystem::directory_iterator all("/proc/self/fd");
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

std::string children() {
  std::string text, line;
  for (const auto& thread : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream file(thread.path() / "children");
    while (file >> line) text += line + " ";
  }
  return text;
}

TEST_F(HostTest, NothingIsLeftBehind) {
  judge_.reset();
  const auto files_before = descriptors();
  const std::string children_before = children();
  judge_ = std::move(*make_host());
  run("fork\nfork\nfork\nmap 1g 40p rw- private,fixed anonymous 0\n");
  EXPECT_NE(children(), children_before);
  judge_.reset();
  EXPECT_EQ(descriptors(), files_before);
  EXPECT_EQ(children(), children_before);
}

// A system call that never returns stands for a program that is stuck.
TEST_F(HostTest, AProgramThatIsStuckIsEnded) {
  auto files = host::HostFiles::make();
  ASSERT_TRUE(files) << files.error().message;
  auto runner = host::Runner::start(files->disk(), files->memory());
  ASSERT_TRUE(runner) << runner.error().message;
  host::Shared& shared = (*runner)->shared();
  shared.steps = 2;
  shared.program[0] = {.kind = host::Kind::kFork};
  shared.program[1] = {.kind = host::Kind::kCall, .number = SYS_ppoll};
  const auto ran = (*runner)->run(std::chrono::milliseconds(100));
  ASSERT_FALSE(ran);
  EXPECT_THAT(ran.error().message, HasSubstr("stuck in step 1"));
  const auto stuck = static_cast<pid_t>(shared.slots[0].pid), waiting = static_cast<pid_t>(shared.slots[1].pid);
  ASSERT_EQ(kill(stuck, 0), 0);
  ASSERT_EQ(kill(waiting, 0), 0);
  runner->reset();
  EXPECT_EQ(kill(stuck, 0), -1);
  EXPECT_EQ(kill(waiting, 0), -1);
}

TEST_F(HostTest, AForbiddenCallEndsTheProgramNotTheJudge) {
  auto files = host::HostFiles::make();
  ASSERT_TRUE(files) << files.error().message;
  auto runner = host::Runner::start(files->disk(), files->memory());
  ASSERT_TRUE(runner) << runner.error().message;
  (*runner)->shared().steps = 1;
  (*runner)->shared().program[0] = {.kind = host::Kind::kCall, .number = SYS_execve};
  const auto ran = (*runner)->run(std::chrono::milliseconds(10'000));
  ASSERT_FALSE(ran);
  EXPECT_THAT(ran.error().message, HasSubstr("ended by itself in step 0, with wait status 31"));
}

}  // namespace
}  // namespace faultline::vmm::fuzz
