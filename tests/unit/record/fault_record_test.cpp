#include "vmm/record/fault_record.hpp"

#include <gtest/gtest.h>
#include <signal.h>

#include "tests/unit/record/sample_records.hpp"

namespace faultline::vmm {
namespace {

struct Expected {
  mmu::FaultResult result;
  int signal, si_code;
};

TEST(FaultRecord, TakesTheSignalFromTheOutcome) {
  for (const Expected& e :
       {Expected{mmu::FaultResult::kSegvMapErr, SIGSEGV, SEGV_MAPERR},
        Expected{mmu::FaultResult::kSegvAccErr, SIGSEGV, SEGV_ACCERR},
        Expected{mmu::FaultResult::kBusAdrErr, SIGBUS, BUS_ADRERR},
        Expected{mmu::FaultResult::kOutOfMemory, SIGKILL, 0}, Expected{mmu::FaultResult::kPgtableBad, SIGKILL, 0}}) {
    FaultRecord r = sample_base(1, Gva(0x5000), mmu::ErrorCode(4), mmu::Pte());
    mmu::FaultOutcome outcome;
    outcome.result = e.result;
    r.set_outcome(outcome, nullptr);
    EXPECT_EQ(r.end, FaultEnd::kSignal);
    EXPECT_EQ(r.signal, e.signal);
    EXPECT_EQ(r.si_code, e.si_code);
    EXPECT_EQ(r.signal_address, e.signal == SIGKILL ? Gva() : Gva(0x5000));
    // The same from a system call raises nothing.
    r.origin = mmu::FaultOrigin::kKernel;
    r.set_outcome(outcome, nullptr);
    EXPECT_EQ(r.end, FaultEnd::kEfault);
    EXPECT_EQ(r.signal, 0);
  }
}

TEST(FaultRecord, ForgetsWhatTheRecordBeforeItSaid) {
  FaultRecord r = gather_segv();
  mmu::FaultOutcome outcome;
  outcome.major = true;
  r.set_outcome(outcome, nullptr);
  EXPECT_EQ(r.end, FaultEnd::kMajor);
  EXPECT_EQ(r.signal, 0);
  EXPECT_EQ(r.signal_address, Gva());
  EXPECT_FALSE(r.vma);
}

TEST(FaultRecord, CopiesTheVma) {
  mmu::Vma vma = sample_vma(Gva(0x1000), Gva(0x3000), "[heap]");
  const VmaInfo info(vma);
  vma.name = "gone";
  EXPECT_EQ(info.name.view(), "[heap]");
  vma.name = std::string(200, 'x');
  EXPECT_EQ(VmaInfo(vma).name.view(), std::string(93, 'x') + "...");
}

TEST(FaultRecord, NamesSignals) {
  EXPECT_EQ(signal_name(SIGSEGV), "SIGSEGV");
  EXPECT_EQ(signal_name(64), "");
  EXPECT_EQ(si_code_name(SIGSEGV, SI_KERNEL), "SI_KERNEL");
  EXPECT_EQ(si_code_name(SIGBUS, BUS_ADRERR), "BUS_ADRERR");
  EXPECT_EQ(si_code_name(SIGTERM, 1), "");
}

}  // namespace
}  // namespace faultline::vmm
