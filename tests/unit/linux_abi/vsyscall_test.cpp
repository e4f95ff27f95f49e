// Calls into the vsyscall page.
#include <sys/time.h>

#include <csignal>

#include "tests/unit/linux_abi/task_fixture.hpp"

namespace faultline::test {
namespace {

using R = vmm::UserRegs;
constexpr std::uint64_t kPage = 0xffff'ffff'ff60'0000;
constexpr std::uint64_t kReturn = 0x401234;

class Vsyscall : public TaskTest {
 protected:
  // As after `call` to the address, with the two arguments.
  void jump_to(std::uint64_t at, std::uint64_t first, std::uint64_t second) {
    R& r = vcpu.edit_regs();
    stack = kScratch + kScratchBytes - 0x100;
    put(stack, kReturn);
    r[R::kRsp] = stack;
    r[R::kRdi] = first, r[R::kRsi] = second;
    r.rip = at;
    fault(at);
  }
  void fault(std::uint64_t at) {
    const vmm::PageFaultEvent event{.address = Gva(at), .error = mmu::ErrorCode(0x14)};
    const auto outcome =
        mmu::handle_page_fault(mm(), {.address = event.address, .error = event.error, .ip = Gva(vcpu.regs().rip)});
    task->on_page_fault(event, outcome);
    task->deliver_signals();
  }
  void expect_killed(int signo) {
    ASSERT_TRUE(task->exit_status());
    EXPECT_EQ(task->exit_status()->signal, signo);
  }
  std::uint64_t stack = 0;
};

TEST_F(Vsyscall, CallsReturnToTheirCaller) {
  const auto before = static_cast<std::uint64_t>(::time(nullptr));
  jump_to(kPage, kScratch, 0);
  EXPECT_EQ(vcpu.regs().rip, kReturn);
  EXPECT_EQ(vcpu.regs()[R::kRsp], stack + 8);
  EXPECT_EQ(vcpu.regs()[R::kRax], 0u);
  EXPECT_GE(static_cast<std::uint64_t>(get<timeval>(kScratch).tv_sec), before);
  jump_to(kPage + 0x400, 0, 0);
  EXPECT_GE(vcpu.regs()[R::kRax], before);
  jump_to(kPage + 0x800, kScratch, kScratch + 8);
  EXPECT_EQ(vcpu.regs()[R::kRax], 0u);
  EXPECT_FALSE(task->exit_status());
}

TEST_F(Vsyscall, AnyOtherAddressIsASegmentationFault) {
  jump_to(kPage + 0xc00, 0, 0);
  expect_killed(SIGSEGV);
}

TEST_F(Vsyscall, ABadPointerIsASegmentationFaultToo) {
  jump_to(kPage, 0x10, 0);
  expect_killed(SIGSEGV);
}

TEST_F(Vsyscall, SoIsAStackThatCannotBeRead) {
  vcpu.edit_regs()[R::kRsp] = 0x10;
  vcpu.edit_regs().rip = kPage;
  fault(kPage);
  expect_killed(SIGSEGV);
}

}  // namespace
}  // namespace faultline::test
