// Which operand made a fault, where CR2 lies in it, and whether the error code agrees.
#include "vmm/decode/verdict.hpp"

#include <gtest/gtest.h>

#include <cstring>

#include "tests/unit/decode/decode_testing.hpp"

namespace faultline::vmm::decode {
namespace {

constexpr std::uint32_t kReadErr = 4, kWriteErr = 6, kFetchErr = 0x14;

struct Case {
  const char* what;
  const char* bytes;
  std::uint64_t cr2;
  std::uint32_t error;
  const char* verdict;  // explanation operand place+offset [straddles] [second] agreement
};

std::string text(const Verdict& v) {
  std::string s = fmt::format("{} {} {}+{}", name(v.explanation), v.operand, name(v.place), v.offset);
  if (v.straddles) s += " straddles";
  if (v.on_second_page) s += " second";
  return s + fmt::format(" {}", name(v.access));
}

void PrintTo(const Case& c, std::ostream* out) { *out << c.what; }

const Case kCases[] = {
    {"load", "8b 00", 0x10000, kReadErr, "operand 1 first-byte+0 agrees"},
    {"load reported as a write", "8b 00", 0x10000, kWriteErr, "operand 1 first-byte+0 disagrees"},
    {"load, last byte", "8b 00", 0x10003, kReadErr, "operand 1 interior+3 agrees"},
    {"load, one past the end", "8b 00", 0x10004, kReadErr, "none -1 outside+0 unknown"},
    {"load, one before", "8b 00", 0xffff, kReadErr, "none -1 outside+0 unknown"},
    {"store", "89 08", 0x10000, kWriteErr, "operand 1 first-byte+0 agrees"},
    {"store reported as a read", "89 08", 0x10000, kReadErr, "operand 1 first-byte+0 disagrees"},
    {"store to a present page", "89 08", 0x10000, kWriteErr | 1, "operand 1 first-byte+0 agrees"},
    {"inc, write", "ff 00", 0x10000, kWriteErr, "operand 1 first-byte+0 agrees"},
    {"inc, its read", "ff 00", 0x10000, kReadErr, "operand 1 first-byte+0 read-half"},
    {"cmpxchg writes whatever it finds", "0f b1 0f", 0x60000, kWriteErr, "operand 1 first-byte+0 agrees"},
    {"lock cmpxchg16b", "f0 48 0f c7 0f", 0x60008, kWriteErr, "operand 1 interior+8 agrees"},
    // mov eax,[rax-2] straddles 0xffff|0x10000
    {"straddling, first page", "8b 40 fe", 0xfffe, kReadErr, "operand 1 first-byte+0 straddles agrees"},
    {"straddling, second page", "8b 40 fe", 0x10000, kReadErr, "operand 1 page-start+2 straddles second agrees"},
    {"straddling, inside the second", "8b 40 fe", 0x10001, kReadErr, "operand 1 interior+3 straddles second agrees"},
    {"two operands, the load", "ff 33", 0x30000, kReadErr, "operand 1 first-byte+0 agrees"},
    {"two operands, the push", "ff 33", 0x7ffdfff8, kWriteErr, "operand 2 first-byte+0 agrees"},
    {"movs, destination", "a4", 0x60000, kWriteErr, "operand 1 first-byte+0 agrees"},
    {"movs, source", "a4", 0x50000, kReadErr, "operand 2 first-byte+0 agrees"},
    {"rep movsq, element", "f3 48 a5", 0x60000, kWriteErr, "operand 1 first-byte+0 agrees"},
    {"rep movsq, ahead", "f3 48 a5", 0x60010, kWriteErr, "repeat-range 1 interior+16 agrees"},
    {"rep movsq, past the count", "f3 48 a5", 0x60018, kWriteErr, "none -1 outside+0 unknown"},
    {"call", "e8 00 00 00 00", 0x7ffdfff8, kWriteErr, "operand 1 first-byte+0 agrees"},
    {"ret", "c3", 0x7ffe0000, kReadErr, "operand 1 first-byte+0 agrees"},
    {"enter, the probe", "c8 00 20 00", 0x7ffddff8, kWriteErr, "operand 2 first-byte+0 agrees"},
    {"xsave beyond its header", "0f ae 20", 0x10000 + 1024, kWriteErr, "repeat-range 1 interior+1024 agrees"},
    {"clflush reads", "0f ae 38", 0x10000, kReadErr, "operand 1 first-byte+0 agrees"},
    {"prefetch never faults", "0f 18 08", 0x10000, kReadErr, "none -1 outside+0 unknown"},
    {"nop never faults", "0f 1f 00", 0x10000, kReadErr, "none -1 outside+0 unknown"},
    {"fetch", "8b 00", 0x401000, kFetchErr, "fetch 0 first-byte+0 agrees"},
    {"fetch, no execute", "8b 00", 0x401000, kFetchErr | 1, "fetch 0 first-byte+0 agrees"},
    {"fetch without the flag", "90", 0x401000, kReadErr, "fetch 0 first-byte+0 disagrees"},
    {"fetch elsewhere", "8b 00", 0x500000, kFetchErr, "none -1 outside+0 unknown"},
    {"fetch at an operand's address", "8b 00", 0x10000, kFetchErr, "none -1 outside+0 unknown"},
    {"fetch of nothing readable", "", 0x401000, kFetchErr, "fetch 0 first-byte+0 agrees"},
    {"gather", "c4 e2 75 90 1c 90", 0x77777000, kReadErr, "unknown-address 1 outside+0 agrees"},
    {"gather reported as a write", "c4 e2 75 90 1c 90", 0x77777000, kWriteErr, "unknown-address 1 outside+0 disagrees"},
    {"descriptor load", "8e d8", 0xffff800000001000, 0, "supervisor -1 outside+0 unknown"},
    {"supervisor with an operand", "8b 00", 0x10000, 0, "operand 1 first-byte+0 agrees"},
    {"no instruction", "06", 0x10000, kReadErr, "none -1 outside+0 unknown"},
};

class Judge : public testing::TestWithParam<Case> {};

TEST_P(Judge, FindsTheOperand) {
  const Case& c = GetParam();
  const Instruction i = Decoder::create()->decode(bytes_of(c.bytes), test_registers());
  const Verdict v = judge(i, Gva(c.cr2), mmu::ErrorCode(c.error));
  EXPECT_EQ(text(v), c.verdict);
  // Whatever is unusual is explained in words.
  const bool plain = v.explanation == Explanation::kOperand || v.explanation == Explanation::kFetch;
  EXPECT_TRUE((plain && v.access != Agreement::kDisagrees) || !v.note.empty());
}

INSTANTIATE_TEST_SUITE_P(Table, Judge, testing::ValuesIn(kCases));

TEST(Verdict, AnInstructionCutByAnUnmappedPageFaultsOnItsSecondPage) {
  RegisterFile regs = test_registers();
  regs.regs.rip = 0x401ffe;
  const Instruction i = Decoder::create()->decode(bytes_of("48 8b"), regs);  // mov rax, ... continues at 0x402000
  EXPECT_EQ(i.status, DecodeStatus::kTruncated);
  const Verdict v = judge(i, Gva(0x402000), mmu::ErrorCode(kFetchErr));
  EXPECT_EQ(text(v), "fetch 0 page-start+2 straddles second agrees");
  EXPECT_EQ(v.note, "the instruction continues on a page that cannot be fetched");
}

TEST(Verdict, AnOperandAtTheTopOfTheAddressSpaceDoesNotWrap) {
  RegisterFile regs = test_registers();
  regs.regs[UserRegs::kRax] = ~0ULL - 1;
  const Instruction i = Decoder::create()->decode(bytes_of("8b 00"), regs);
  EXPECT_EQ(text(judge(i, Gva(~0ULL), mmu::ErrorCode(kReadErr))), "operand 1 interior+1 straddles agrees");
  EXPECT_EQ(judge(i, Gva(1), mmu::ErrorCode(kReadErr)).offset, 3);
}

TEST(Verdict, ARepThatGoesDownHasANegativeOffset) {
  RegisterFile regs = test_registers();
  regs.regs.rflags |= 0x400;
  const Instruction i = Decoder::create()->decode(bytes_of("f3 48 ab"), regs);
  EXPECT_EQ(text(judge(i, Gva(0x5fff0), mmu::ErrorCode(kWriteErr))),
            "repeat-range 1 interior+-16 straddles second agrees");
}

TEST(Verdict, AStateAreaIsCheckedFromItsEnd) {
  RegisterFile regs = test_registers();
  regs.regs[UserRegs::kRax] = 0x10f00;
  const Instruction i = Decoder::create()->decode(bytes_of("0f ae 00"), regs);  // fxsave [rax]
  const Verdict v = judge(i, Gva(0x110ff), mmu::ErrorCode(kWriteErr));
  EXPECT_EQ(text(v), "operand 1 interior+511 straddles second agrees");
  EXPECT_EQ(v.note, "the last byte: the CPU checks the end of a state area first");
}

TEST(Verdict, PrefersTheOperandThatAgrees) {
  RegisterFile regs = test_registers();
  regs.regs[UserRegs::kRdi] = regs.regs[UserRegs::kRsi];  // movsb onto itself
  const Instruction i = Decoder::create()->decode(bytes_of("a4"), regs);
  EXPECT_EQ(judge(i, Gva(0x50000), mmu::ErrorCode(kReadErr)).operand, 2);
  EXPECT_EQ(judge(i, Gva(0x50000), mmu::ErrorCode(kWriteErr)).operand, 1);
}

TEST(Verdict, FindsTheGatheredElement) {
  VectorRegisters vectors;
  const std::int32_t indices[] = {0, 0x400, 0x800, 0xc00};
  std::memcpy(vectors.ymm[2].data(), indices, sizeof indices);
  for (auto& b : vectors.ymm[1]) b = std::byte{0xff};
  RegisterFile regs = test_registers();
  regs.vectors = &vectors;
  const Instruction i = Decoder::create()->decode(bytes_of("c4 e2 75 90 1c 90"), regs);
  EXPECT_EQ(text(judge(i, Gva(0x12000), mmu::ErrorCode(kReadErr))), "operand 1 first-byte+0 agrees");
  EXPECT_EQ(judge(i, Gva(0x14000), mmu::ErrorCode(kReadErr)).explanation, Explanation::kNone);
}

}  // namespace
}  // namespace faultline::vmm::decode
