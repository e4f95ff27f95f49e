// The text form, line by line.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/record/sample_records.hpp"
#include "vmm/record/format.hpp"

namespace faultline::vmm {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string text_of(const FaultRecord& r, Colour colour = Colour::kNever) {
  fmt::memory_buffer out;
  append_text(out, r, colour);
  return fmt::to_string(out);
}

TEST(FaultRecordText, ExplainsAResolvedFault) {
  EXPECT_EQ(text_of(anonymous_write()),
            R"(fault #1 on kvm-pvm vcpu 0, process 100
  address   0x7fff12345678  user write, page not present (error 0x6: W U)
  at        0x401000  mov dword ptr [rax], ecx  [89 08]
  operand   explicit write [rax] 4 bytes at 0x7fff12345678, CR2 first-byte, error code agrees
  walk      4-level, not-present; denied by PTE P
            PGD 0x157f8: 0x0000000000014067 [P W U A D] table 0x14 -> rwx user
            PUD 0x14fe0: 0x0000000000013067 [P W U A D] table 0x13 -> rwx user
            PMD 0x13488: 0x0000000000012067 [P W U A D] table 0x12 -> rwx user
            PTE 0x12a28: none
  vma       0x7fff12300000-0x7fff12400000 rw-p pgoff 0x0 [stack]
  path      find_vma > do_anonymous_page
  edit      PTE of 0x7fff12345000 at 0x12a28: none -> 0x8000000000099067 [P W U A D NX] frame 0x99
  frames    allocated 0x99
  tlb       none
  outcome   resolved, minor
  time      guest 1.2 us, exit 0.3, decide 0.1, edit 0.4, resume 0.1
)");
}

TEST(FaultRecordText, SaysWhatWasCopiedAndWhereDecodersDiffer) {
  const std::string text = text_of(copy_on_write());
  EXPECT_THAT(text, HasSubstr("decoders differ: access (Zydis write, Capstone read)"));
  EXPECT_THAT(text, HasSubstr("denied by PTE W"));
  EXPECT_THAT(text, HasSubstr("straddles pages,"));
  EXPECT_THAT(text, HasSubstr("frames    allocated 0x51, copied 0x50 to 0x51"));
  EXPECT_THAT(text, HasSubstr("tlb       frame-drop"));
}

TEST(FaultRecordText, SaysWhatIsNotKnown) {
  const std::string text = text_of(gather_segv());
  EXPECT_THAT(text, HasSubstr("[rax + ymm2*4] 4 bytes, CR2 outside"));
  EXPECT_THAT(text, HasSubstr("needs registers that were not recorded"));
  EXPECT_THAT(text, HasSubstr("outcome   SIGSEGV (11) SEGV_MAPERR at 0x123000"));
  EXPECT_THAT(text, HasSubstr("vma       none"));
}

TEST(FaultRecordText, SaysThatTheKernelMadeTheAccess) {
  const std::string text = text_of(kernel_efault());
  EXPECT_THAT(text, HasSubstr("in a system call (kernel)"));
  EXPECT_THAT(text, HasSubstr("-EFAULT"));
  EXPECT_THAT(text, Not(HasSubstr("operand ")));
}

TEST(FaultRecordText, ColoursOnlyWhenAsked) {
  EXPECT_THAT(text_of(anonymous_write()), Not(HasSubstr("\x1b")));
  const std::string coloured = text_of(anonymous_write(), Colour::kAlways);
  EXPECT_THAT(coloured, HasSubstr("\x1b[31mPTE\x1b[0m \x1b[31mP\x1b[0m"));
}

TEST(FaultRecordText, KeepsControlCharactersOfTheGuestFromTheTerminal) {
  FaultRecord r = anonymous_write();
  r.vma->name = "/tmp/\x1b[2Jx";
  EXPECT_THAT(text_of(r), HasSubstr("/tmp/?[2Jx"));
}

}  // namespace
}  // namespace faultline::vmm
