#include <csignal>

#include "tests/unit/linux_abi/task_fixture.hpp"

namespace faultline::test {
namespace {

struct Expected {
  std::uint8_t vector;
  int signo, code;
  bool address_is_ip;
};

class Traps : public TaskTest {};

TEST_F(Traps, ExceptionsBecomeTheSignalsOfLinux) {
  constexpr Expected kTable[] = {
      {0, SIGFPE, FPE_INTDIV, true},   {1, SIGTRAP, TRAP_TRACE, true},  {3, SIGTRAP, SI_KERNEL, false},
      {4, SIGSEGV, SI_KERNEL, false},  {5, SIGSEGV, SI_KERNEL, false},  {6, SIGILL, ILL_ILLOPN, true},
      {10, SIGSEGV, SI_KERNEL, false}, {11, SIGBUS, SI_KERNEL, false},  {12, SIGBUS, SI_KERNEL, false},
      {13, SIGSEGV, SI_KERNEL, false}, {17, SIGBUS, BUS_ADRALN, false},
  };
  for (const Expected& e : kTable) {
    const auto s = task->signal_for(vmm::ExceptionEvent{e.vector, 0x55});
    EXPECT_EQ(s.info.si_signo, e.signo) << int{e.vector};
    EXPECT_EQ(s.info.si_code, e.code) << int{e.vector};
    EXPECT_EQ(s.info.si_addr, e.address_is_ip ? reinterpret_cast<void*>(kRip) : nullptr) << int{e.vector};
    ASSERT_TRUE(s.trap);
    EXPECT_EQ(s.trap->trapno, e.vector);
    EXPECT_EQ(s.trap->error_code, 0x55u);
    EXPECT_FALSE(s.trap->cr2) << int{e.vector};
  }
}

TEST_F(Traps, FloatingPointCodesComeFromTheFpState) {
  const auto mxcsr = [&](std::uint32_t value) {
    std::memcpy(vcpu.xsave.data() + 24, &value, sizeof value);
    return task->signal_for(vmm::ExceptionEvent{19, 0}).info.si_code;
  };
  EXPECT_EQ(mxcsr(0x01), FPE_FLTINV);
  EXPECT_EQ(mxcsr(0x04), FPE_FLTDIV);
  EXPECT_EQ(mxcsr(0x08), FPE_FLTOVF);
  EXPECT_EQ(mxcsr(0x10), FPE_FLTUND);
  EXPECT_EQ(mxcsr(0x20), FPE_FLTRES);
  EXPECT_EQ(mxcsr(0x05 | 0x80), FPE_FLTDIV);  // invalid is masked
  const std::uint16_t control = 0x37f & ~4, status = 4;
  std::memcpy(vcpu.xsave.data(), &control, 2);
  std::memcpy(vcpu.xsave.data() + 2, &status, 2);
  EXPECT_EQ(task->signal_for(vmm::ExceptionEvent{16, 0}).info.si_code, FPE_FLTDIV);
}

TEST_F(Traps, PageFaultsBecomeSegvBusOrKill) {
  const vmm::PageFaultEvent event{Gva(0x1234567), mmu::ErrorCode(6)};
  const auto with = [&](mmu::FaultResult result) {
    mmu::FaultOutcome outcome;
    outcome.result = result;
    outcome.reported_error = mmu::ErrorCode(7);
    return abi::Task::signal_for(event, outcome);
  };
  const auto map = with(mmu::FaultResult::kSegvMapErr);
  EXPECT_EQ(map.info.si_signo, SIGSEGV);
  EXPECT_EQ(map.info.si_code, SEGV_MAPERR);
  EXPECT_EQ(map.info.si_addr, reinterpret_cast<void*>(0x1234567));
  EXPECT_EQ(map.trap->error_code, 7u);
  EXPECT_EQ(map.trap->cr2, 0x1234567u);
  EXPECT_EQ(with(mmu::FaultResult::kSegvAccErr).info.si_code, SEGV_ACCERR);
  EXPECT_EQ(with(mmu::FaultResult::kBusAdrErr).info.si_signo, SIGBUS);
  EXPECT_EQ(with(mmu::FaultResult::kBusAdrErr).info.si_code, BUS_ADRERR);
  EXPECT_EQ(with(mmu::FaultResult::kOutOfMemory).info.si_signo, SIGKILL);
  EXPECT_EQ(with(mmu::FaultResult::kPgtableBad).info.si_signo, SIGKILL);
}

}  // namespace
}  // namespace faultline::test
