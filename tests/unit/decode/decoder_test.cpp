// Status, text, the cross-check, and no crash whatever the bytes.
#include "vmm/decode/decoder.hpp"

#include <gtest/gtest.h>

#include <array>
#include <random>

#include "tests/unit/decode/decode_testing.hpp"
#include "vmm/decode/compare.hpp"
#include "vmm/decode/verdict.hpp"

namespace faultline::vmm::decode {
namespace {

Instruction decode(std::string_view bytes, const DecoderOptions& options = {}) {
  return Decoder::create(options)->decode(bytes_of(bytes), test_registers());
}

std::string disagreements_of(const Instruction& i) {
  std::string s;
  for (const Disagreement& d : i.disagreements())
    s += fmt::format("{}{} {} zydis={} capstone={}", s.empty() ? "" : "; ", name(d.field), d.operand, d.zydis.view(),
                     d.capstone.view());
  return s;
}

TEST(Decoder, SaysHowFarItGot) {
  EXPECT_EQ(decode("").status, DecodeStatus::kNoBytes);
  EXPECT_EQ(decode("48 8b").status, DecodeStatus::kTruncated);
  EXPECT_EQ(decode("06").status, DecodeStatus::kInvalid);
  EXPECT_EQ(decode("8b 00").status, DecodeStatus::kDecoded);
  // Fifteen bytes and still no end: too long, not cut short.
  EXPECT_EQ(decode("66 66 66 66 66 66 66 66 66 66 66 66 66 66 66").status, DecodeStatus::kInvalid);
}

TEST(Decoder, EveryPrefixOfAnInstructionIsTruncated) {
  const auto bytes = bytes_of("64 48 c7 84 8b 78 56 34 12 01 02 03 04");  // mov qword fs:[rbx+rcx*4+disp32], imm32
  auto decoder = Decoder::create();
  for (std::size_t n = 1; n < bytes.size(); ++n) {
    const Instruction i = decoder->decode(std::span(bytes).first(n), test_registers());
    EXPECT_EQ(i.status, DecodeStatus::kTruncated) << n;
    EXPECT_EQ(i.fetched, n);
    EXPECT_EQ(i.code().size(), n);
    ASSERT_EQ(i.operands().size(), 1U);
    EXPECT_EQ(i.operands()[0].width, kMaxInstructionBytes);
  }
  EXPECT_EQ(decoder->decode(bytes, test_registers()).length, bytes.size());
}

TEST(Decoder, IgnoresWhatFollows) {
  const Instruction i = decode("90 06 06 06 06 06 06 06 06 06 06 06 06 06 06 06 06 06");
  EXPECT_EQ(i.status, DecodeStatus::kDecoded);
  EXPECT_EQ(i.length, 1);
  EXPECT_EQ(i.code().size(), 1U);
}

TEST(Decoder, WritesIntelOrAttText) {
  EXPECT_EQ(decode("89 4c 8b 08").text.view(), "mov dword ptr [rbx + rcx*4 + 8], ecx");
  EXPECT_EQ(decode("89 4c 8b 08", {.syntax = Syntax::kAtt}).text.view(), "movl %ecx, 8(%rbx, %rcx, 4)");
  EXPECT_EQ(decode("c3").text.view(), "ret");
  EXPECT_EQ(decode("e8 00 00 00 00").text.view(), "call 0x401005");
}

TEST(Decoder, CapstoneCanBeLeftOut) {
  const Instruction i = decode("89 4c 8b 08", {.cross_check = CrossCheck::kOff});
  EXPECT_EQ(short_text(i), "w:30014+4");
  EXPECT_FALSE(i.cross_checked);
  EXPECT_EQ(i.text_source, TextSource::kNone);
}

TEST(Decoder, TakesTheTextFromZydisWhereCapstoneHasNone) {
  const Instruction i = decode("0f 38 f9 03");  // movdiri is younger than Capstone 4.0
  EXPECT_EQ(i.text_source, TextSource::kZydis);
  EXPECT_EQ(i.text.view(), "movdiri [rbx], eax");
  EXPECT_EQ(disagreements_of(i), "decodes 0 zydis=movdiri capstone=none");
}

TEST(Compare, AgreesOnOrdinaryCode) {
  for (const char* bytes : {"8b 00",
                            "89 4c 8b 08",
                            "64 48 8b 04 25 28 00 00 00",
                            "48 8b 05 34 12 00 00",
                            "ff 33",
                            "f3 48 a5",
                            "f3 a6",
                            "0f 94 c0",
                            "74 00",
                            "48 0f 44 18",
                            "48 87 07",
                            "f0 48 0f c1 07",
                            "0f 28 08",
                            "c5 fc 10 10",
                            "48 8d 58 10",
                            "65 8d 02",
                            "67 a3 e0 49 54 c4",
                            "a4",
                            "d7",
                            "66 0f c2 ec 04",
                            "48 cb",
                            "c9",
                            "c8 10 00 00",
                            "0f 18 08"}) {
    EXPECT_EQ(disagreements_of(decode(bytes)), "") << bytes;
    EXPECT_EQ(disagreements_of(decode(bytes, {.syntax = Syntax::kAtt})), "") << bytes << " AT&T";
  }
}

TEST(Compare, RecordsEachKindOfDisagreement) {
  // Capstone 4.0 calls SSE stores reads.
  EXPECT_EQ(disagreements_of(decode("0f 11 00")), "access 0 zydis=write capstone=read");
  // It takes the index of a scatter for a general register.
  EXPECT_EQ(disagreements_of(decode("62 f2 7d 49 a2 14 88")),
            "index 0 zydis=zmm1 capstone=rcx; access 0 zydis=write capstone=read");
  // A 66h prefix before CALL: what AMD and Intel do differs.
  EXPECT_EQ(disagreements_of(decode("66 e8 00 00 00 00")), "length 0 zydis=6 capstone=4");
  EXPECT_EQ(disagreements_of(decode("0f b2 00")), "width 0 zydis=6 capstone=8");
  // An ignored DS override after FS: FS stays in force.
  EXPECT_EQ(disagreements_of(decode("64 3e 8b 00")), "segment 0 zydis=fs capstone=none");
  EXPECT_EQ(disagreements_of(decode("f3 0f ae 21")).substr(0, 38), "mnemonic 0 zydis=ptwrite capstone=xsav");
  EXPECT_EQ(disagreements_of(decode("f3 0f 28 00")), "decodes 0 zydis=none capstone=movaps");
}

TEST(Compare, CountsMoreThanItKeeps) {
  Instruction i;
  for (unsigned n = 0; n < 300; ++n) i.add_disagreement(CompareField::kWidth, 0, "1", "2");
  EXPECT_EQ(i.disagreements().size(), Instruction::kKeptDisagreements);
  EXPECT_EQ(i.disagreement_total, 255);
}

TEST(Compare, KnowsSynonymsAndNothingElse) {
  EXPECT_TRUE(same_mnemonic("jz", "je"));
  EXPECT_TRUE(same_mnemonic("setnle", "setg"));
  EXPECT_TRUE(same_mnemonic("cmovnb", "cmovae"));
  EXPECT_TRUE(same_mnemonic("vcmpsd", "vcmple_oqsd"));
  EXPECT_TRUE(same_mnemonic("ret", "retfq"));
  EXPECT_FALSE(same_mnemonic("jz", "jne"));
  EXPECT_FALSE(same_mnemonic("jz", "sete"));
  EXPECT_FALSE(same_mnemonic("vcmpsd", "vcmpeqps"));
  EXPECT_FALSE(same_mnemonic("mov", "movzx"));
}

TEST(Decoder, SurvivesRandomBytesAndRecordsEveryDifference) {
  auto decoder = Decoder::create();
  auto second = CapstoneEngine::create(Syntax::kIntel);  // one that the decoder does not see
  std::mt19937_64 random(20240601);
  constexpr std::uint8_t kLeads[] = {0x0f, 0x66, 0xf2, 0xf3, 0x48, 0xc4, 0xc5, 0x62, 0x67, 0x64, 0x65, 0xf0};
  unsigned decoded = 0;
  for (int round = 0; round < 200'000; ++round) {
    std::array<std::byte, 20> bytes{};
    for (auto& b : bytes) b = static_cast<std::byte>(random());
    for (unsigned n = random() % 4; n > 0; --n) bytes[n - 1] = std::byte{kLeads[random() % std::size(kLeads)]};
    RegisterFile regs = test_registers();
    for (auto& r : regs.regs.gpr) r = random();
    regs.regs.rip = random();
    regs.regs.rflags = random();
    const Instruction i = decoder->decode(std::span(bytes).first(random() % (bytes.size() + 1)), regs);
    (void)judge(i, Gva(random()), mmu::ErrorCode(static_cast<std::uint32_t>(random() & 0x1f)));

    ASSERT_GE(i.operands().size(), 1U);
    if (i.status != DecodeStatus::kDecoded) continue;
    ++decoded;
    ASSERT_LE(i.length, i.fetched);
    ASSERT_FALSE(i.text.empty());
    // Whatever Capstone finds for the same bytes, a different length is on record.
    const cs_insn* insn = second->decode({i.bytes.data(), i.fetched}, regs.regs.rip);
    const bool same = insn != nullptr && insn->size == i.length;
    ASSERT_TRUE(same || i.disagreement_total > 0) << i.text.view();
  }
  EXPECT_GT(decoded, 80'000U);
}

}  // namespace
}  // namespace faultline::vmm::decode
