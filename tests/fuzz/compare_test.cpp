#include <gtest/gtest.h>

#include <csignal>

#include "tests/fuzz/fake_judge.hpp"
#include "vmm/fuzz/words.hpp"

namespace faultline::vmm::fuzz {
namespace {

// map, read, kernel-read.
Program sample() {
  return {{map_at({0, 0}, 0x2000), read_at({0, 8}, 4), Operation{Op::kKernelRead, {16, pack({0, 0})}}}};
}

struct Two {
  Program program = sample();
  Trace a = all_done(program), b = all_done(program);
  Two() {
    a.judge = "reference";
    b.judge = "model";
    for (Trace* t : {&a, &b}) t->processes.resize(1);
  }
  [[nodiscard]] std::optional<Disagreement> judge() const { return compare(program, a, b); }
};

StepResult segv(std::uint64_t address, int code = SEGV_MAPERR, std::uint32_t error = 4) {
  StepResult s;
  s.end = StepEnd::kSignal;
  s.signal = SIGSEGV;
  s.code = code;
  s.address = address;
  s.error = error;
  return s;
}

Disagreement expect(std::size_t step, std::string field, std::string first, std::string second) {
  return {"reference", "model", step, std::move(field), std::move(first), std::move(second)};
}

TEST(Compare, EqualTracesAgree) { EXPECT_EQ(Two().judge(), std::nullopt); }

TEST(Compare, OutcomesAreToldInWords) {
  Two t;
  t.b.steps[2].result = -EFAULT;
  t.a.steps[2].result = 16;
  EXPECT_EQ(t.judge(), expect(2, "outcome", "16", "-EFAULT"));
  t.b.steps[1] = segv(0x2000'0000'0008);
  EXPECT_EQ(t.judge(), expect(1, "outcome", "done", "SIGSEGV SEGV_MAPERR at 0x200000000008")) << "the earlier step";
}

TEST(Compare, SignalsFieldByField) {
  Two t;
  t.a.steps[1] = segv(0x1000);
  t.b.steps[1] = segv(0x2000, SEGV_ACCERR, 7);
  EXPECT_EQ(t.judge(), expect(1, "signal", "SIGSEGV SEGV_MAPERR at 0x1000", "SIGSEGV SEGV_ACCERR at 0x2000"));
  t.b.steps[1].code = SEGV_MAPERR;
  EXPECT_EQ(t.judge(), expect(1, "address", "0x1000", "0x2000"));
  t.b.steps[1].address = 0x1000;
  EXPECT_EQ(t.judge(), expect(1, "error", "0x4 (U)", "0x7 (P W U)"));
  t.b.fields &= ~kErrorField;
  EXPECT_EQ(t.judge(), std::nullopt);
}

TEST(Compare, BytesFaultsAndCounts) {
  Two t;
  t.a.steps[1].bytes = {0xf5, 0xf8};
  t.a.steps[1].byte_count = t.b.steps[1].byte_count = 2;
  t.b.steps[1].bytes = {0xf5, 0xf9};
  t.b.steps[1].faults = {{0x10000, 6}};
  t.b.steps[1].minor = 1;
  EXPECT_EQ(t.judge(), expect(1, "bytes", "f5 f8", "f5 f9"));
  t.b.steps[1].bytes = t.a.steps[1].bytes;
  EXPECT_EQ(t.judge(), expect(1, "faults", "none", "0x10000 (W U)"));
  t.a.fields &= ~kFaultsField;
  EXPECT_EQ(t.judge(), expect(1, "counts", "0 minor, 0 major", "1 minor, 0 major"));
  t.a.fields &= ~kCountsField;
  EXPECT_EQ(t.judge(), std::nullopt);
}

TEST(Compare, NothingIsComparedAfterAJudgeGaveUp) {
  Two t;
  t.a.steps[1].end = StepEnd::kNotJudged;
  t.a.steps.resize(2);
  t.b.steps[2].result = 5;
  t.b.processes[0].vmas = {{0x10000, 0x11000, {"rw-p"}, FileOperand::kNone, 0}};
  EXPECT_EQ(t.judge(), std::nullopt);
  t.b.steps[0].result = 5;
  EXPECT_EQ(t.judge(), expect(0, "outcome", "0", "5"));
}

TEST(Compare, ATraceThatEndsWithoutSayingWhyIsNews) {
  Two t;
  t.b.steps.resize(2);
  EXPECT_EQ(t.judge(), expect(2, "outcome", "a result", "no result"));
}

TEST(Compare, KilledOnBothSidesEndsIt) {
  Two t;
  for (Trace* trace : {&t.a, &t.b}) {
    trace->steps.resize(2);
    trace->steps[1].end = StepEnd::kKilled;
  }
  t.b.processes.clear();
  EXPECT_EQ(t.judge(), std::nullopt);
  t.a.steps[1].end = StepEnd::kDone;
  EXPECT_EQ(t.judge(), expect(1, "outcome", "done", "killed"));
}

TEST(Compare, TheEndState) {
  Two t;
  t.a.processes[0].vmas = {{0x10000, 0x11000, {"rw-p"}, FileOperand::kNone, 0},
                           {0x20000, 0x21000, {"r--s"}, FileOperand::kDisk, 0x3000}};
  t.b.processes[0].vmas = {t.a.processes[0].vmas[0]};
  t.b.processes[0].pages = {{0x10000, true, false, true, false}};
  EXPECT_EQ(t.judge(), expect(3, "vmas", "process 0: 0x20000-0x21000 r--s disk+0x3000", "process 0: none"));
  t.b.processes[0].vmas = t.a.processes[0].vmas;
  EXPECT_EQ(t.judge(), expect(3, "pages", "process 0: none", "process 0: 0x10000 present"));
  t.a.processes[0].pages = {{0x10000, true, false, true, true}};
  EXPECT_EQ(t.judge(), expect(3, "accessed-dirty", "process 0: 0x10000 present accessed dirty",
                              "process 0: 0x10000 present accessed"));
  t.a.processes[0].content = {{0x10000, 0x12}};
  EXPECT_EQ(t.judge(), expect(3, "content", "process 0: 0x10000 content 0000000000000012", "process 0: none"));
  t.b.processes[0].number = 1;
  EXPECT_EQ(t.judge(), expect(3, "processes", "process 0", "process 1"));
}

TEST(Compare, ABrokenInvariantIsADisagreementByItself) {
  Two t;
  t.b.broken = {"frame 7 is free and mapped"};
  const Disagreement want{"model", "invariants", 3, "invariants", "frame 7 is free and mapped", "holds"};
  EXPECT_EQ(t.judge(), want);
  EXPECT_EQ(compare(t.program, t.b, t.a), want);
}

TEST(Words, AStepOnOneLine) {
  StepResult s = segv(0x10008, SEGV_ACCERR, 7);
  s.faults = {{0x10008, 7}};
  s.minor = 1;
  EXPECT_EQ(step_words(Op::kWrite, s, 0x3ff),
            "SIGSEGV SEGV_ACCERR at 0x10008, error code 0x7 (P W U), faults 0x10008 (P W U), 1 minor, 0 major");
  EXPECT_EQ(step_words(Op::kWrite, s, kOutcomeField), "SIGSEGV SEGV_ACCERR");
  s.end = StepEnd::kDone;
  s.result = 0x2000'0000'0000;
  EXPECT_EQ(outcome_words(Op::kMap, s), "0x200000000000");
}

}  // namespace
}  // namespace faultline::vmm::fuzz
