// What a host answers itself, or otherwise than a CPU: the guest does not see it.
#include "tests/hosted/hosted_guest.hpp"

namespace faultline::vmm::testing {
namespace {

using HostedExceptions = HostedTest;

// The host has code there, for programs of long ago; the guest has not.
TEST_F(HostedExceptions, TheVsyscallPageIsNotThere) {
  guest().load({0xff, 0xd7});  // call rdi
  vcpu().edit_regs()[UserRegs::kRdi] = 0xffff'ffff'ff60'0000;
  const auto fault = guest().expect<PageFaultEvent>();
  EXPECT_EQ(fault.address.raw(), 0xffff'ffff'ff60'0000U);
  EXPECT_TRUE(fault.error.fetch());
  EXPECT_EQ(vcpu().regs().rip, 0xffff'ffff'ff60'0000U);
  EXPECT_EQ(vcpu().regs()[UserRegs::kRsp], kStack.raw() - 64 - 8);
}

// #NM where the host has tiles and the process no permission for them, #UD elsewhere.
TEST_F(HostedExceptions, TileInstructionsAreInvalid) {
  guest().load(
      {0x8b, 0x04, 0x25, 0x00, 0x00, 0x60, 0x00, 0xc4, 0xe2, 0x7b, 0x49, 0xc0});  // mov eax, [0x600000]; tilezero
  guest().expect<PageFaultEvent>();
  guest().map(Gva(0x60'0000));
  EXPECT_EQ(guest().expect<ExceptionEvent>().vector, 6);
  EXPECT_EQ(vcpu().regs().rip, kCode.raw() + 7);
}

// What is there by the time that user code goes on elsewhere was not touched by it.
TEST_F(HostedExceptions, AnAccessThatIsGivenUpLeavesNothingBehind) {
  constexpr Gva kAt{0x60'0000};
  constexpr std::uint64_t kUntouched = kUserPage & ~(mmu::Pte::kAccessed | mmu::Pte::kDirty);
  guest().load({0x89, 0x07, 0x0f, 0x05});  // mov [rdi], eax; syscall
  vcpu().edit_regs()[UserRegs::kRdi] = kAt.raw();
  EXPECT_TRUE(guest().expect<PageFaultEvent>().error.write());
  guest().map(kAt, kUntouched);
  vcpu().edit_regs().rip += 2;
  guest().expect<SyscallEvent>();
  EXPECT_EQ(guest().entry(kAt) & (mmu::Pte::kAccessed | mmu::Pte::kDirty), 0U);
  guest().start();
  vcpu().edit_regs()[UserRegs::kRdi] = kAt.raw();
  guest().expect<SyscallEvent>();
  EXPECT_TRUE(mmu::Pte(guest().entry(kAt)).has(mmu::Pte::kDirty));
}

}  // namespace
}  // namespace faultline::vmm::testing
