// Instruction bytes against the operands that the manuals say they have. The bytes come from
// GNU as; the expectations were written by hand from SDM vol. 2.
#include <gtest/gtest.h>

#include <ostream>

#include "tests/unit/decode/decode_testing.hpp"

namespace faultline::vmm::decode {
namespace {

struct Row {
  const char* assembly;  // AT&T, as given to the assembler
  const char* bytes;
  const char* operands;  // short_text()
};

// clang-format off
const Row kRows[] = {
    // plain loads and stores
    {"mov (%rax),%eax", "8b 00", "r:10000+4"},
    {"mov (%rax),%al", "8a 00", "r:10000+1"},
    {"mov (%rax),%ax", "66 8b 00", "r:10000+2"},
    {"mov (%rax),%r15", "4c 8b 38", "r:10000+8"},
    {"mov %ecx,8(%rbx,%rcx,4)", "89 4c 8b 08", "w:30014+4"},
    {"mov %cl,-1(%rbx)", "88 4b ff", "w:2ffff+1"},
    {"movq $5,(%r8)", "49 c7 00 05 00 00 00", "w:80000+8"},
    {"movl $5,0x1000(%r9,%r10,8)", "43 c7 84 d1 00 10 00 00 05 00 00 00", "w:591000+4"},
    {"mov %rax,(%rsp)", "48 89 04 24", "w:7ffe0000+8"},
    {"mov 0x10(%rbp),%rax", "48 8b 45 10", "r:7ffe1010+8"},
    {"mov (%rbp,%rsi,2),%rax", "48 8b 44 75 00", "r:80081000+8"},
    {"mov (,%rcx,8),%rax", "48 8b 04 cd 00 00 00 00", "r:18+8"},
    {"mov 0x12345678,%eax", "8b 04 25 78 56 34 12", "r:12345678+4"},
    {"mov -0x10,%eax", "8b 04 25 f0 ff ff ff", "r:fffffffffffffff0+4"},
    {"movzbl (%rdx),%ecx", "0f b6 0a", "r:20000+1"},
    {"movzwl (%rdx),%ecx", "0f b7 0a", "r:20000+2"},
    {"movsbq (%rdx),%rcx", "48 0f be 0a", "r:20000+1"},
    {"movslq (%rdx),%rcx", "48 63 0a", "r:20000+4"},
    {"movbe (%rdx),%ecx", "0f 38 f0 0a", "r:20000+4"},
    {"movbe %rcx,(%rdx)", "48 0f 38 f1 0a", "w:20000+8"},
    {"movabs 0x1122334455667788,%al", "a0 88 77 66 55 44 33 22 11", "r:1122334455667788+1"},
    {"movabs %rax,0x1122334455667788", "48 a3 88 77 66 55 44 33 22 11", "w:1122334455667788+8"},
    {"mov %ds,(%rax)", "8c 18", "w:10000+2"},
    {"mov (%rax),%es", "8e 00", "r:10000+2"},
    {"movnti %rcx,(%rax)", "48 0f c3 08", "w:10000+8"},
    // RIP-relative: from the end of the instruction
    {"mov 0x1234(%rip),%rax", "48 8b 05 34 12 00 00", "r:40223b+8"},
    {"mov %al,-0x10(%rip)", "88 05 f0 ff ff ff", "w:400ff6+1"},
    {"movl $7,0x100(%rip)", "c7 05 00 01 00 00 07 00 00 00", "w:40110a+4"},
    {"cmpb $1,0x20(%rip)", "80 3d 20 00 00 00 01", "r:401027+1"},
    {"lea 0x20(%rip),%rax", "48 8d 05 20 00 00 00", "-:401027+8"},
    {"mov 0x1000(%eip),%eax", "67 8b 05 00 10 00 00", "r:402007+4"},
    // segments
    {"mov %fs:0x28,%rax", "64 48 8b 04 25 28 00 00 00", "r:7f0000000028+8"},
    {"mov %fs:-8,%rax", "64 48 8b 04 25 f8 ff ff ff", "r:7efffffffff8+8"},
    {"mov %gs:(%rdi),%ax", "65 66 8b 07", "r:7e0000060000+2"},
    {"mov %eax,%fs:(%rbx,%rcx,4)", "64 89 04 8b", "w:7f000003000c+4"},
    {"incl %gs:0x10", "65 ff 04 25 10 00 00 00", "rw:7e0000000010+4"},
    {"jmp *%fs:(%rax)", "64 ff 20", "r:7f0000010000+8"},
    {"push %fs:(%rax)", "64 ff 30", "r:7f0000010000+8 w:7ffdfff8+8s"},
    // 32-bit addresses
    {"mov (%eax),%ebx", "67 8b 18", "r:10000+4"},
    {"mov (%r11d),%ebx", "67 41 8b 1b", "r:b0000+4"},
    {"mov %eax,-8(%r14d,%esi,2)", "67 41 89 44 76 f8", "w:9fff8+4"},
    {"mov %fs:(%r14d),%al", "64 67 41 8a 06", "r:7f0000000000+1"},
    // read-modify-write
    {"incl (%rax)", "ff 00", "rw:10000+4"},
    {"add %rcx,(%rax)", "48 01 08", "rw:10000+8"},
    {"add (%rax),%rcx", "48 03 08", "r:10000+8"},
    {"orb $1,(%rax)", "80 08 01", "rw:10000+1"},
    {"notq (%rax)", "48 f7 10", "rw:10000+8"},
    {"shll $3,(%rax)", "c1 20 03", "rw:10000+4"},
    {"rolb (%rax)", "d0 00", "rw:10000+1"},
    {"xchg %rax,(%rdi)", "48 87 07", "rw:60000+8 lock"},
    {"lock xadd %rax,(%rdi)", "f0 48 0f c1 07", "rw:60000+8 lock"},
    {"lock incq (%rdi)", "f0 48 ff 07", "rw:60000+8 lock"},
    {"cmpxchg %ecx,(%rdi)", "0f b1 0f", "rw:60000+4"},
    {"lock cmpxchg %rcx,(%rdi)", "f0 48 0f b1 0f", "rw:60000+8 lock"},
    {"lock cmpxchg8b (%rdi)", "f0 0f c7 0f", "rw:60000+8 lock"},
    {"lock cmpxchg16b (%rdi)", "f0 48 0f c7 0f", "rw:60000+16 lock"},
    {"sete (%rax)", "0f 94 00", "w:10000+1"},
    {"cmpl $1,(%rax)", "83 38 01", "r:10000+4"},
    {"test %eax,(%rax)", "85 00", "r:10000+4"},
    {"cmove (%rax),%rbx", "48 0f 44 18", "r:10000+8"},
    {"divq (%rax)", "48 f7 30", "r:10000+8"},
    {"imul $3,(%rax),%rbx", "48 6b 18 03", "r:10000+8"},
    {"shld $3,%rcx,(%rax)", "48 0f a4 08 03", "rw:10000+8"},
    // bit strings
    {"btl $5,(%rdi)", "0f ba 27 05", "r:60000+4"},
    {"bt %rdx,(%rdi)", "48 0f a3 17", "r:64000+8"},
    {"bts %edx,(%rdi)", "0f ab 17", "rw:64000+4"},
    {"btr %dx,(%rdi)", "66 0f b3 17", "rw:60000+2"},
    {"btc %r12,(%rdi)", "4c 0f bb 27", "rw:5fff8+8"},
    {"bt %r12d,(%rdi)", "44 0f a3 27", "r:5fffc+4"},
    {"bt %r12w,(%rdi)", "66 44 0f a3 27", "r:5fffe+2"},
    // stack
    {"push %rax", "50", "w:7ffdfff8+8s"},
    {"push %ax", "66 50", "w:7ffdfffe+2s"},
    {"push $5", "6a 05", "w:7ffdfff8+8s"},
    {"push (%rbx)", "ff 33", "r:30000+8 w:7ffdfff8+8s"},
    {"push 8(%rsp)", "ff 74 24 08", "r:7ffe0008+8 w:7ffdfff8+8s"},
    {"push %fs", "0f a0", "w:7ffdfff8+8s"},
    {"pushf", "9c", "w:7ffdfff8+8s"},
    {"pop %rcx", "59", "r:7ffe0000+8s"},
    {"pop (%rbx)", "8f 03", "w:30000+8 r:7ffe0000+8s"},
    {"pop (%rsp)", "8f 04 24", "w:7ffe0008+8 r:7ffe0000+8s"},
    {"pop 8(%rsp)", "8f 44 24 08", "w:7ffe0010+8 r:7ffe0000+8s"},
    {"popw 8(%rsp)", "66 8f 44 24 08", "w:7ffe000a+2 r:7ffe0000+2s"},
    {"pop %fs", "0f a1", "r:7ffe0000+8s"},
    {"popf", "9d", "r:7ffe0000+8s"},
    {"call .", "e8 fb ff ff ff", "w:7ffdfff8+8s"},
    {"call *(%rax)", "ff 10", "r:10000+8 w:7ffdfff8+8s"},
    {"call *%rax", "ff d0", "w:7ffdfff8+8s"},
    {"call *0x10(%rip)", "ff 15 10 00 00 00", "r:401016+8 w:7ffdfff8+8s"},
    {"lcall *(%rax)", "ff 18", "r:10000+6 w:7ffdfff8+8s"},
    {"ljmp *(%rax)", "ff 28", "r:10000+6"},
    {"jmp *(%rax,%rcx,8)", "ff 24 c8", "r:10018+8"},
    {"ret", "c3", "r:7ffe0000+8s"},
    {"ret $8", "c2 08 00", "r:7ffe0000+8s"},
    {"lretl", "cb", "r:7ffe0000+8s"},
    {"lretq", "48 cb", "r:7ffe0000+16s"},
    {"iretq", "48 cf", "r:7ffe0000+40s"},
    {"iretl", "cf", "r:7ffe0000+20s"},
    {"leave", "c9", "r:7ffe1000+8s"},
    {"enter $0,$0", "c8 00 00 00", "w:7ffdfff8+8s"},
    {"enter $16,$0", "c8 10 00 00", "w:7ffdfff8+8s w:7ffdffe8+8p"},
    {"enter $0x2000,$1", "c8 00 20 01", "w:7ffdfff0+16s w:7ffddff0+8p"},
    {"enter $16,$3", "c8 10 00 03", "w:7ffdffe0+32s r:7ffe0ff0+16s w:7ffdffd0+8p"},
    {"enter $0,$32", "c8 00 00 20", "w:7ffdfff8+8s"},
    {"addr32 push %rax", "67 50", "w:7ffdfff8+8s"},
    // strings, upwards
    {"movsb", "a4", "w:60000+1i r:50000+1i"},
    {"movsq", "48 a5", "w:60000+8i r:50000+8i"},
    {"rep movsq", "f3 48 a5", "w:60000+8i[60000+24] r:50000+8i[50000+24] rep"},
    {"rep movsb %fs:(%rsi),(%rdi)", "64 f3 a4", "w:60000+1i[60000+3] r:7f0000050000+1i[7f0000050000+3] rep"},
    {"repe cmpsb", "f3 a6", "r:50000+1i[50000+3] r:60000+1i[60000+3] rep"},
    {"cmpsl", "a7", "r:50000+4i r:60000+4i"},
    {"scasb", "ae", "r:60000+1i"},
    {"repne scasb", "f2 ae", "r:60000+1i[60000+3] rep"},
    {"rep stosq", "f3 48 ab", "w:60000+8i[60000+24] rep"},
    {"stosw", "66 ab", "w:60000+2i"},
    {"lodsl", "ad", "r:50000+4i"},
    {"rep lodsb", "f3 ac", "r:50000+1i[50000+3] rep"},
    {"insb", "6c", "w:60000+1i"},
    {"outsl", "6f", "r:50000+4i"},
    {"addr32 movsb", "67 a4", "w:60000+1i r:50000+1i"},
    {"addr32 rep stosl", "67 f3 ab", "w:60000+4i[60000+12] rep"},
    {"xlat", "d7", "r:30000+1i"},
    // no access
    {"lea 0x10(%rax),%rbx", "48 8d 58 10", "-:10010+8"},
    {"nopl 0(%rax,%rax,1)", "0f 1f 04 00", "-:20000+4"},
    {"prefetcht0 (%rax)", "0f 18 08", "-:10000+1"},
    {"prefetchnta (%rax)", "0f 18 00", "-:10000+1"},
    {"prefetchw (%rax)", "0f 0d 08", "-:10000+1"},
    {"invlpg (%rax)", "0f 01 38", "-:10000+1"},
    {"cldemote (%rax)", "0f 1c 00", "-:10000+1"},
    // checked like a load of one byte
    {"clflush 0x3f(%rax)", "0f ae 78 3f", "r:1003f+1"},
    {"clflushopt (%rax)", "66 0f ae 38", "r:10000+1"},
    {"clwb (%rax)", "66 0f ae 30", "r:10000+1"},
    // system
    {"lgdt (%rax)", "0f 01 10", "r:10000+10"},
    {"sgdt (%rax)", "0f 01 00", "w:10000+10"},
    {"lidt (%rax)", "0f 01 18", "r:10000+10"},
    {"sidt (%rax)", "0f 01 08", "w:10000+10"},
    {"lldt (%rax)", "0f 00 10", "r:10000+2"},
    {"sldt (%rax)", "0f 00 00", "w:10000+2"},
    {"str (%rax)", "0f 00 08", "w:10000+2"},
    {"smsw (%rax)", "0f 01 20", "w:10000+2"},
    {"lmsw (%rax)", "0f 01 30", "r:10000+2"},
    {"lss (%rax),%eax", "0f b2 00", "r:10000+6"},
    {"invpcid (%rax),%rbx", "66 0f 38 82 18", "r:10000+16"},
    {"clzero", "0f 01 fc", "w:10000+64i"},
    {"umonitor %rdx", "f3 0f ae f2", "r:20000+1"},
    {"monitor", "0f 01 c8", "r:10000+1i"},
    // x87
    {"flds (%rax)", "d9 00", "r:10000+4"},
    {"fldl (%rax)", "dd 00", "r:10000+8"},
    {"fldt (%rax)", "db 28", "r:10000+10"},
    {"fstpt (%rax)", "db 38", "w:10000+10"},
    {"fildll (%rax)", "df 28", "r:10000+8"},
    {"fistps (%rax)", "df 18", "w:10000+2"},
    {"fnstcw (%rax)", "d9 38", "w:10000+2"},
    {"fldcw (%rax)", "d9 28", "r:10000+2"},
    {"fnstenv (%rax)", "d9 30", "w:10000+28"},
    {"fldenv (%rax)", "d9 20", "r:10000+28"},
    {"fnsave (%rax)", "dd 30", "w:10000+108"},
    {"frstor (%rax)", "dd 20", "r:10000+108"},
    {"fbstp (%rax)", "df 30", "w:10000+10"},
    {"fadds (%rax)", "d8 00", "r:10000+4"},
    // state
    {"fxsave (%rax)", "0f ae 00", "w:10000+512"},
    {"fxsave64 (%rax)", "48 0f ae 00", "w:10000+512"},
    {"fxrstor (%rax)", "0f ae 08", "r:10000+512"},
    {"xsave (%rax)", "0f ae 20", "rw:10000+576[10000+2696]"},
    {"xsave64 (%rax)", "48 0f ae 20", "rw:10000+576[10000+2696]"},
    {"xsavec (%rax)", "0f c7 20", "w:10000+576[10000+2696]"},
    {"xsaveopt (%rax)", "0f ae 30", "rw:10000+576[10000+2696]"},
    {"xrstor (%rax)", "0f ae 28", "r:10000+576[10000+2696]"},
    {"ldmxcsr (%rax)", "0f ae 10", "r:10000+4"},
    {"stmxcsr (%rax)", "0f ae 18", "w:10000+4"},
    // SSE
    {"movaps (%rax),%xmm1", "0f 28 08", "r:10000+16"},
    {"movups %xmm1,(%rax)", "0f 11 08", "w:10000+16"},
    {"movss (%rax),%xmm1", "f3 0f 10 08", "r:10000+4"},
    {"movsd %xmm1,(%rax)", "f2 0f 11 08", "w:10000+8"},
    {"movq (%rax),%xmm1", "f3 0f 7e 08", "r:10000+8"},
    {"movd %xmm1,(%rax)", "66 0f 7e 08", "w:10000+4"},
    {"movlps %xmm1,(%rax)", "0f 13 08", "w:10000+8"},
    {"movhpd (%rax),%xmm1", "66 0f 16 08", "r:10000+8"},
    {"movntdq %xmm0,(%rax)", "66 0f e7 00", "w:10000+16"},
    {"lddqu (%rax),%xmm0", "f2 0f f0 00", "r:10000+16"},
    {"paddd (%rax),%xmm0", "66 0f fe 00", "r:10000+16"},
    {"pextrb $1,%xmm1,(%rax)", "66 0f 3a 14 08 01", "w:10000+1"},
    {"pinsrw $1,(%rax),%xmm1", "66 0f c4 08 01", "r:10000+2"},
    {"pcmpistri $12,(%rax),%xmm1", "66 0f 3a 63 08 0c", "r:10000+16"},
    {"cvtsi2sdq (%rax),%xmm1", "f2 48 0f 2a 08", "r:10000+8"},
    {"crc32q (%rax),%rbx", "f2 48 0f 38 f1 18", "r:10000+8"},
    {"maskmovdqu %xmm1,%xmm2", "66 0f f7 d1", "w:60000+16i?"},
    {"maskmovq %mm1,%mm2", "0f f7 d1", "w:60000+8i?"},
    // VEX
    {"vmovups (%rax),%ymm2", "c5 fc 10 10", "r:10000+32"},
    {"vmovdqa %ymm2,(%rax)", "c5 fd 7f 10", "w:10000+32"},
    {"vmovss (%rax),%xmm1", "c5 fa 10 08", "r:10000+4"},
    {"vaddsd (%rax),%xmm1,%xmm2", "c5 f3 58 10", "r:10000+8"},
    {"vbroadcastss (%rax),%ymm1", "c4 e2 7d 18 08", "r:10000+4"},
    {"vbroadcasti128 (%rax),%ymm1", "c4 e2 7d 5a 08", "r:10000+16"},
    {"vextracti128 $1,%ymm1,(%rax)", "c4 e3 7d 39 08 01", "w:10000+16"},
    {"vpinsrb $1,(%rax),%xmm1,%xmm2", "c4 e3 71 20 10 01", "r:10000+1"},
    {"vpmaskmovd (%rax),%ymm1,%ymm2", "c4 e2 75 8c 10", "r:10000+32?"},
    {"vpmaskmovq %ymm2,%ymm1,(%rax)", "c4 e2 f5 8e 10", "w:10000+32?"},
    {"vmaskmovps %ymm2,%ymm1,(%rax)", "c4 e2 75 2e 10", "w:10000+32?"},
    {"vmaskmovdqu %xmm1,%xmm2", "c5 f9 f7 d1", "w:60000+16i?"},
    {"mulx (%rax),%rbx,%rcx", "c4 e2 e3 f6 08", "r:10000+8"},
    {"andn (%rax),%rbx,%rcx", "c4 e2 e0 f2 08", "r:10000+8"},
    {"vpmovzxbw (%rax),%ymm1", "c4 e2 7d 30 08", "r:10000+16"},
    {"vcvtps2ph $0,%ymm1,(%rax)", "c4 e3 7d 1d 08 00", "w:10000+16"},
    // EVEX
    {"vmovdqu64 (%rax),%zmm3", "62 f1 fe 48 6f 18", "r:10000+64"},
    {"vmovdqu64 (%rax),%zmm3{%k1}", "62 f1 fe 49 6f 18", "r:10000+64?"},
    {"vmovdqu8 %zmm3,0x40(%rax){%k1}", "62 f1 7f 49 7f 58 01", "w:10040+64?"},
    {"vaddps 0x40(%rax),%zmm1,%zmm2", "62 f1 74 48 58 50 01", "r:10040+64"},
    {"vaddps 4(%rax){1to16},%zmm1,%zmm2", "62 f1 74 58 58 50 01", "r:10004+4"},
    {"vaddpd (%rax){1to8},%zmm1,%zmm2", "62 f1 f5 58 58 10", "r:10000+8"},
    {"vmovss (%rax),%xmm17", "62 e1 7e 08 10 08", "r:10000+4"},
    {"vpcompressd %zmm1,(%rax){%k1}", "62 f2 7d 49 8b 08", "w:10000+64?"},
    {"vpexpandd (%rax),%zmm1{%k1}", "62 f2 7d 49 89 08", "r:10000+64?"},
    {"vpmovqb %zmm1,(%rax)", "62 f2 7e 48 32 08", "w:10000+8"},
    {"vbroadcasti32x4 (%rax),%zmm1", "62 f2 7d 48 5a 08", "r:10000+16"},
    {"vextracti64x4 $1,%zmm1,(%rax)", "62 f3 fd 48 3b 08 01", "w:10000+32"},
    // direct stores, enqueue
    {"movdiri %eax,(%rbx)", "0f 38 f9 03", "w:30000+4"},
    {"movdir64b (%rax),%rdx", "66 0f 38 f8 10", "r:10000+64 w:20000+64i"},
    {"enqcmd (%rax),%rdx", "f2 0f 38 f8 10", "r:10000+64 w:20000+64i"},
    // no memory at all
    {"syscall", "0f 05", ""},
    {"ud2", "0f 0b", ""},
    {"cpuid", "0f a2", ""},
    {"mov %rax,%rbx", "48 89 c3", ""},
    {"rdtsc", "0f 31", ""},
    {"vzeroupper", "c5 f8 77", ""},
};
// clang-format on

void PrintTo(const Row& row, std::ostream* out) { *out << row.assembly; }

class Operands : public testing::TestWithParam<Row> {};

TEST_P(Operands, AreWhatTheManualSays) {
  const Row& row = GetParam();
  auto decoder = Decoder::create();
  ASSERT_TRUE(decoder) << decoder.error().message;
  const auto bytes = bytes_of(row.bytes);
  const Instruction i = decoder->decode(bytes, test_registers());
  ASSERT_EQ(i.status, DecodeStatus::kDecoded) << row.assembly;
  EXPECT_EQ(i.length, bytes.size());
  EXPECT_EQ(short_text(i), row.operands) << row.assembly << "  " << i.text.view();
  EXPECT_FALSE(i.text.empty());
  // The fetch comes first and covers exactly the instruction.
  EXPECT_EQ(short_text(i.operands()[0]), fmt::format("x:401000+{}", bytes.size()));
}

Instruction decode(std::string_view bytes, const RegisterFile& regs) {
  return Decoder::create()->decode(bytes_of(bytes), regs);
}

constexpr std::uint64_t kDirectionFlag = 0x400;

TEST(StringOperands, GoDownWhenTheDirectionFlagIsSet) {
  RegisterFile regs = test_registers();
  regs.regs.rflags |= kDirectionFlag;
  EXPECT_EQ(short_text(decode("f3 48 a5", regs)), "w:60000+8i[5fff0+24] r:50000+8i[4fff0+24] rep");
  EXPECT_EQ(short_text(decode("f2 ae", regs)), "r:60000+1i[5fffe+3] rep");
  // Without REP one element, wherever DF points.
  EXPECT_EQ(short_text(decode("48 a5", regs)), "w:60000+8i r:50000+8i");
}

TEST(StringOperands, TouchNothingWhenTheCountIsZero) {
  RegisterFile regs = test_registers();
  regs.regs[UserRegs::kRcx] = 0;
  EXPECT_EQ(short_text(decode("f3 aa", regs)), "-:60000+1i[60000+0] rep");
  // ECX counts with 32-bit addresses: the upper half of RCX is not looked at.
  regs.regs[UserRegs::kRcx] = 0x5'0000'0000;
  EXPECT_EQ(short_text(decode("67 f3 aa", regs)), "-:60000+1i[60000+0] rep");
}

TEST(StringOperands, CountsFromAHostileGuestDoNotOverflow) {
  RegisterFile regs = test_registers();
  regs.regs[UserRegs::kRcx] = ~0ULL;
  regs.regs[UserRegs::kRdi] = ~0ULL - 2;
  const Instruction up = decode("f3 48 ab", regs);
  EXPECT_EQ(up.operands()[1].extent_bytes, 1ULL << 63);
  regs.regs.rflags |= kDirectionFlag;
  const Instruction down = decode("f3 48 ab", regs);
  EXPECT_EQ(down.operands()[1].extent_start.raw(), ~0ULL - 2 + 8 - (1ULL << 63));
}

TEST(XsaveOperands, ReachAsFarAsTheAreaIsKnownToBe) {
  RegisterFile regs = test_registers();
  regs.xsave_bytes = 0;
  EXPECT_EQ(short_text(decode("0f ae 20", regs)), "rw:10000+576");
}

TEST(AddressWidth, IsCutBeforeTheSegmentBaseIsAdded) {
  RegisterFile regs = test_registers();
  regs.regs[UserRegs::kRax] = 0xffff'fff0;
  // fs:[eax + 0x20]
  EXPECT_EQ(short_text(decode("64 67 8b 40 20", regs)), "r:7f0000000010+4");
  // fs:[rax + 0x20] wraps nowhere
  EXPECT_EQ(short_text(decode("64 8b 40 20", regs)), "r:7f0100000010+4");
}

INSTANTIATE_TEST_SUITE_P(Table, Operands, testing::ValuesIn(kRows));

}  // namespace
}  // namespace faultline::vmm::decode
