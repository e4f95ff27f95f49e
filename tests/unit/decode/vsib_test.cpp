// Gather and scatter: element addresses from vector registers, or no claim at all.
#include <gtest/gtest.h>

#include <cstring>
#include <initializer_list>

#include "tests/unit/decode/decode_testing.hpp"

namespace faultline::vmm::decode {
namespace {

template <class T>
void fill(VectorRegisters& v, unsigned reg, std::initializer_list<T> elements) {
  std::memcpy(v.ymm[reg].data(), std::data(elements), elements.size() * sizeof(T));
}

std::string elements_of(const Instruction& i) {
  std::string s;
  for (const Gva e : i.elements()) s += fmt::format("{}{:x}", s.empty() ? "" : " ", e.raw());
  return s;
}

struct Vsib : testing::Test {
  Decoder decoder = std::move(*Decoder::create());
  VectorRegisters vectors;
  RegisterFile regs = test_registers();
  Instruction decode(std::string_view bytes) { return decoder.decode(bytes_of(bytes), regs); }
};

TEST_F(Vsib, SaysUnknownWithoutVectorRegisters) {
  const Instruction i = decode("c4 e2 75 90 1c 90");  // vpgatherdd ymm3, [rax + ymm2*4], ymm1
  EXPECT_EQ(short_text(i), "r:?+4?");
  EXPECT_TRUE(i.needs_vectors());
  EXPECT_TRUE(i.operands()[1].vector_index);
  EXPECT_EQ(i.operands()[1].index, "ymm2");
}

TEST_F(Vsib, AddsTheElementsWhoseMaskIsSet) {
  fill<std::int32_t>(vectors, 1, {-1, 0, -1, 0, 0, 0, 0, -1});
  fill<std::int32_t>(vectors, 2, {1, 2, -3, 4, 5, 6, 7, 0x1000});
  regs.vectors = &vectors;
  const Instruction i = decode("c4 e2 75 90 1c 90");
  EXPECT_EQ(elements_of(i), "10004 fff4 14000");
  EXPECT_EQ(short_text(i), "r:10004+4?");
  EXPECT_FALSE(i.needs_vectors());
}

TEST_F(Vsib, TouchesNothingWithAClearMask) {
  regs.vectors = &vectors;
  const Instruction i = decode("c4 e2 75 90 1c 90");
  EXPECT_EQ(i.operands()[1].access, Access::kNone);
  EXPECT_FALSE(i.needs_vectors());
}

TEST_F(Vsib, PairsWideIndicesWithNarrowData) {
  fill<std::int64_t>(vectors, 2, {0x100, -0x100, 0, 0});
  fill<std::int32_t>(vectors, 1, {-1, -1, -1, -1});
  regs.vectors = &vectors;
  // vpgatherqd xmm3, [rax + xmm2*8], xmm1: two indices, two elements
  EXPECT_EQ(elements_of(decode("c4 e2 71 91 1c d0")), "10800 f800");
  // vpgatherdq ymm3, [rax + xmm2*1], ymm1: four 32-bit indices, four elements of 8 bytes
  fill<std::int32_t>(vectors, 2, {0x10, 0x20, 0x30, 0x40});
  fill<std::int64_t>(vectors, 1, {-1, -1, -1, -1});
  const Instruction i = decode("c4 e2 f5 90 1c 10");
  EXPECT_EQ(elements_of(i), "10010 10020 10030 10040");
  EXPECT_EQ(i.operands()[1].width, 8U);
}

TEST_F(Vsib, CountsEveryElementOfAnEvexGather) {
  fill<std::int32_t>(vectors, 1, {1, 2, 3, 4});
  regs.vectors = &vectors;
  // vgatherdps xmm2{k1}, [rax + xmm1*4]: the opmask is not among the registers
  EXPECT_EQ(elements_of(decode("62 f2 7d 09 92 14 88")), "10004 10008 1000c 10010");
  // vscatterdps [rax + xmm1*4]{k1}, xmm2
  const Instruction scatter = decode("62 f2 7d 09 a2 14 88");
  EXPECT_EQ(elements_of(scatter), "10004 10008 1000c 10010");
  EXPECT_EQ(scatter.operands()[1].access, Access::kWrite);
}

TEST_F(Vsib, ClaimsNothingForRegistersItDoesNotHave) {
  regs.vectors = &vectors;
  EXPECT_TRUE(decode("62 f2 7d 49 92 54 88 10").needs_vectors());  // index zmm1
  EXPECT_TRUE(decode("62 b2 7d 01 92 14 88").needs_vectors());     // index xmm17
}

TEST_F(Vsib, CutsTo32BitsAndAddsTheSegment) {
  fill<std::int32_t>(vectors, 1, {-1, 0, 0, 0});
  fill<std::int32_t>(vectors, 2, {-0x20000, 0, 0, 0});
  regs.vectors = &vectors;
  // fs vpgatherdd xmm3, [eax + xmm2*1], xmm1
  EXPECT_EQ(elements_of(decode("64 67 c4 e2 71 90 1c 10")), "7f00ffff0000");
}

TEST_F(Vsib, GatherPrefetchNeverAccesses) {
  const Instruction i = decode("62 f2 7d 49 c6 4c 88 01");  // vgatherpf0dps [rax + zmm1*4 + 4]{k1}
  EXPECT_EQ(i.operands()[1].access, Access::kNone);
  EXPECT_FALSE(i.needs_vectors());
}

}  // namespace
}  // namespace faultline::vmm::decode
