// VMAs that could be one and are two, because no call has looked at their border since they became
// alike. mremap works on one VMA: it tells. The reference, and mmu, against what Linux 6.18 says.
#include <gtest/gtest.h>

#include <cerrno>

#include "vmm/fuzz/judge.hpp"
#include "vmm/fuzz/text.hpp"

namespace faultline::vmm::fuzz {
namespace {

struct Case {
  std::string lines;
  std::int64_t result;  // of the last line
};

void check(Judge& judge, const Case& c) {
  const auto program = parse_text(std::string(kTextHeader) + "\n" + c.lines, "test");
  ASSERT_TRUE(program) << program.error().message;
  const auto trace = judge.run(*program);
  ASSERT_TRUE(trace) << trace.error().message;
  EXPECT_EQ(trace->steps.back().result, c.result) << judge.name() << "\n" << c.lines;
}

TEST(Seams, AreThereUntilACallLooks) {
  constexpr std::int64_t kDone = 0x2100'8020'0000;  // the place 2m
  const std::string two = "map 2m 2p rw- private,fixed anonymous 0\n", grow = "remap 2m 2p 3p none 2m";
  const std::string forked = two + "lock 2m 1p onfault\nfork\nswitch 1\n";
  const std::string moved =
      "map 2m 4p rw- private,fixed anonymous 0\nlock 2m 3p none\n"
      "remap 2m+1p 1p 1p maymove,fixed,dontunmap 2m+8p\n";
  const std::string stacks =
      "map 2m 1p rw- private,fixed,growsdown anonymous 0\n"
      "map 2m-2p 1p rw- private,fixed,growsdown anonymous 0\nwrite 1 2m-1p 0\n";
  // Between an access far below and a stack lies what is the judge's own: the stack is not looked at, and gets no
  // anon_vma from it.
  const std::string far_below =
      "map 512g 1p r-- private,fixed,growsdown anonymous 0\nread 1 low\nfork\nswitch 1\n"
      "map 512g+1p 1p rw- private,fixed,growsdown anonymous 0\nwrite 1 512g+1p 0\nprotect 512g 1p rw-\n";
  const Case cases[] = {
      // Locks keep VMAs apart, until a call takes them.
      {two + "lock 2m 1p none\n" + grow, -EFAULT},
      {two + "lock 2m 1p none\nunlock 2m 1p\n" + grow, kDone},
      // A child has none.
      {forked + grow, -EFAULT},
      {forked + "unlock 2m 1p\n" + grow, -EFAULT},  // it has nothing to change
      {forked + "protect 2m 1p r--\nprotect 2m 1p rw-\n" + grow, kDone},
      {forked + "protect 2m+1p 1p r--\nprotect 2m+1p 1p rw-\n" + grow, kDone},
      {forked + "advise 2m 1p normal\n" + grow, -EFAULT},
      {forked + "advise 2m 1p random\nadvise 2m 1p normal\n" + grow, kDone},
      {forked + "advise 2m 2p dontneed\n" + grow, -EFAULT},
      {forked + "lock 2m 2p onfault\nunlock 2m 2p\n" + grow, kDone},
      {forked + "fork\nswitch 2\n" + grow, -EFAULT},
      {forked + "map 2m+1p 1p rw- private,fixed anonymous 0\n" + grow, kDone},
      {forked + "switch 0\nunlock 2m 1p\n" + grow, kDone},
      // MREMAP_DONTUNMAP unlocks what stays, the whole VMA.
      {moved + "remap 2m+2p 2p 3p none 2m", -EFAULT},
      {moved + "remap 2m 3p 3p maymove,fixed 1g", 0x2100'4000'0000},  // moves may take several VMAs
      // A stack that grew down to another one.
      {stacks + "remap 2m-2p 3p 4p none 2m", -EFAULT},
      {stacks + "remap 2m-1p 2p 3p none 2m", kDone - 0x1000},
      {far_below + "remap 512g 2p 3p none 512g", 0x2000'0000'0000},
      {stacks + "protect 2m-2p 1p r--\nprotect 2m-2p 1p rw-\nremap 2m-2p 3p 4p none 2m", kDone - 0x2000},
  };
  const auto reference = make_reference();
  const auto model = make_model();
  ASSERT_TRUE(model) << model.error().message;
  for (const Case& c : cases) {
    check(*reference, c);
    check(**model, c);
  }
}

}  // namespace
}  // namespace faultline::vmm::fuzz
