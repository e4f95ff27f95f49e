#include "vmm/fuzz/signature.hpp"

#include <gtest/gtest.h>

#include "tests/fuzz/fake_judge.hpp"
#include "vmm/fuzz/coverage.hpp"

namespace faultline::vmm::fuzz {
namespace {

Disagreement segv(std::size_t step, const std::string& address) {
  return {"reference", "model", step, "outcome", "done", "SIGSEGV SEGV_MAPERR at " + address};
}

Trace faulted(const Program& program, mmu::FaultStep step, std::uint8_t path) {
  Trace t = all_done(program);
  Met met;
  met.outcome = 3;
  met.step = static_cast<std::uint8_t>(step);
  met.path = path;
  t.steps.back().features = {pack(met), 1U << 31 | 5};
  return t;
}

TEST(Signature, AddressesDoNotMatter) {
  const Program here{{map_at({0, 0}, 4096), write_at({0, 0})}};
  const Program there{{map_at({2, 8192}, 8192), write_at({2, 4096}), write_at({2, 8192}, 8)}};
  const std::string a = signature(here, segv(1, "0x10000"), {});
  EXPECT_EQ(a, "model+reference.outcome.write.SIGSEGV-SEGV_MAPERR=done");
  EXPECT_EQ(a, signature(there, segv(2, "0x7fff00001234"), {}));
}

TEST(Signature, WhoIsFirstDoesNotMatter) {
  const Program p{{map_at({0, 0}, 4096), write_at({0, 0})}};
  const Disagreement turned{"model", "reference", 1, "outcome", "SIGSEGV SEGV_MAPERR at 0x1", "done"};
  EXPECT_EQ(signature(p, segv(1, "0x1"), {}), signature(p, turned, {}));
}

TEST(Signature, WhatMattersTellsThemApart) {
  const Program p{{map_at({0, 0}, 4096), write_at({0, 0})}};
  const std::string a = signature(p, segv(1, "0x1"), {});
  EXPECT_NE(a, signature(p, segv(0, "0x1"), {})) << "the operation";
  Disagreement other = segv(1, "0x1");
  other.second_value = "SIGSEGV SEGV_ACCERR at 0x1";
  EXPECT_NE(a, signature(p, other, {})) << "the signal's code";
  other = segv(1, "0x1");
  other.second = "kvm-pvm";
  EXPECT_NE(a, signature(p, other, {})) << "the judge";
  other = segv(1, "0x1");
  other.field = "signal";
  EXPECT_NE(a, signature(p, other, {})) << "the field";
  EXPECT_NE(a, signature(p, segv(1, "0x1"), faulted(p, mmu::FaultStep::kNoVma, 7))) << "the ladder";
  EXPECT_NE(signature(p, segv(1, "0x1"), faulted(p, mmu::FaultStep::kNoVma, 8)),
            signature(p, segv(1, "0x1"), faulted(p, mmu::FaultStep::kNoVma, 7)));
}

TEST(Signature, RawOperationsAndTheLadderAreNamed) {
  const Program p{{map_at({0, 0}, 4096),
                   {Op::kFlipEntry, {pack({0, 0}), 2, 63}},
                   {Op::kFlipControl, {1}},
                   write_at({0, 0}),
                   {Op::kFlipEntry, {pack({0, 0}), 4, 1}}}};
  Trace t = faulted(p, mmu::FaultStep::kNoVma, 0x3c);
  t.steps[3].features = t.steps[4].features;
  t.steps[4].features.clear();
  EXPECT_EQ(signature(p, segv(3, "0x1"), t),
            "model+reference.outcome.write.SIGSEGV-SEGV_MAPERR=done.l2.b63.c1.bad_area-p3c");
}

TEST(Signature, AtTheEndItIsTheOperationsThereAre) {
  const Program p{{map_at({0, 0}, 4096), write_at({0, 0}), write_at({0, 0}), {Op::kAdvise, {pack({0, 0}), 4096, 4}}}};
  const Disagreement d{"reference", "model", 4, "content", "process 0: 0x1000 content 0123456789abcdef", "none"};
  EXPECT_EQ(signature(p, d, {}), "model+reference.content.end-map-advise-write");
  Disagreement at = d;
  at.step = 3;
  EXPECT_EQ(signature(p, at, {}), "model+reference.content.advise-dontneed");
}

TEST(Signature, ItIsFitForAFileName) {
  Disagreement d{"a/b", "../c d", 9, std::string(300, 'f'), "/\n", "\xff"};
  const std::string key = signature({}, d, {});
  EXPECT_EQ(key.size(), 160U);
  EXPECT_EQ(key.find_first_of("/ \n\xff"), std::string::npos) << key;
  d.field += "g";
  EXPECT_NE(signature({}, d, {}), key);
}

}  // namespace
}  // namespace faultline::vmm::fuzz
