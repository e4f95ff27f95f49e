#include "vmm/kvm/exit.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <set>
#include <string>

namespace faultline::vmm::kvm {
namespace {

kvm_run make(std::uint32_t reason) {
  kvm_run run{};
  run.exit_reason = reason;
  return run;
}

TEST(KvmExit, EveryReasonHasAnAlternativeOfItsOwn) {
  std::set<std::size_t> alternatives;
  std::set<std::string> names;
  for (std::uint32_t reason = 0; reason < kExitReasons; ++reason) {
    const KvmExit exit = decode_exit(make(reason));
    EXPECT_FALSE(std::holds_alternative<exits::Unlisted>(exit)) << reason;
    EXPECT_TRUE(alternatives.insert(exit.index()).second) << reason;
    EXPECT_TRUE(names.insert(std::string(name(exit))).second) << name(exit);
    EXPECT_EQ(std::string(name(exit)).rfind("KVM_EXIT_", 0), 0U) << reason;
    EXPECT_EQ(describe(exit).rfind(name(exit), 0), 0U) << reason;
  }
  EXPECT_EQ(alternatives.size(), std::variant_size_v<KvmExit> - 1);
}

TEST(KvmExit, TheReasonOfAnAlternativeIsTheOneItCameFrom) {
  for (std::uint32_t reason = 0; reason < kExitReasons; ++reason) {
    std::visit(
        [&]<class E>(const E&) {
          if constexpr (!std::is_same_v<E, exits::Unlisted>) {
            EXPECT_EQ(E::kReason, reason);
          }
        },
        decode_exit(make(reason)));
  }
}

TEST(KvmExit, AReasonFromTheFuture) {
  const KvmExit exit = decode_exit(make(39));
  ASSERT_TRUE(std::holds_alternative<exits::Unlisted>(exit));
  EXPECT_EQ(describe(exit), "unlisted exit: reason 39, which is newer than this program");
}

TEST(KvmExit, Io) {
  kvm_run run = make(KVM_EXIT_IO);
  run.io.direction = KVM_EXIT_IO_OUT;
  run.io.size = 1;
  run.io.port = 0xce;
  run.io.count = 1;
  EXPECT_EQ(describe(decode_exit(run)), "KVM_EXIT_IO: out to port 0xce, 1 byte, 1 time");
  run.io.direction = KVM_EXIT_IO_IN;
  run.io.size = 4;
  run.io.count = 3;
  EXPECT_EQ(describe(decode_exit(run)), "KVM_EXIT_IO: in from port 0xce, 4 bytes, 3 times");
}

TEST(KvmExit, Mmio) {
  kvm_run run = make(KVM_EXIT_MMIO);
  run.mmio.phys_addr = 0x1'0000'0000;
  run.mmio.len = 8;
  run.mmio.is_write = 1;
  run.mmio.data[7] = 0x7f;
  const KvmExit exit = decode_exit(run);
  EXPECT_EQ(std::get<exits::Mmio>(exit).data[7], 0x7f);
  EXPECT_EQ(describe(exit), "KVM_EXIT_MMIO: write of 8 bytes at guest physical 0x100000000, where no memory is");
}

TEST(KvmExit, EmulationFailureShowsTheInstruction) {
  kvm_run run = make(KVM_EXIT_INTERNAL_ERROR);
  run.emulation_failure.suberror = KVM_INTERNAL_ERROR_EMULATION;
  run.emulation_failure.ndata = 3;
  run.emulation_failure.flags = KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES;
  run.emulation_failure.insn_size = 2;
  run.emulation_failure.insn_bytes[0] = 0x0f;
  run.emulation_failure.insn_bytes[1] = 0x0b;
  const KvmExit exit = decode_exit(run);
  EXPECT_EQ(describe(exit),
            "KVM_EXIT_INTERNAL_ERROR: suberror 1 (an instruction that KVM cannot emulate), instruction bytes 0f 0b");
  run.emulation_failure.flags = 0;
  EXPECT_TRUE(std::get<exits::InternalError>(decode_exit(run)).instruction.empty());
}

TEST(KvmExit, SizesThatLieAreBounded) {
  kvm_run run = make(KVM_EXIT_INTERNAL_ERROR);
  run.internal.suberror = KVM_INTERNAL_ERROR_EMULATION;
  run.internal.ndata = 0xffff'ffff;
  run.emulation_failure.flags = KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES;
  run.emulation_failure.insn_size = 255;
  const auto error = std::get<exits::InternalError>(decode_exit(run));
  EXPECT_EQ(error.data.size(), 16U);
  EXPECT_EQ(error.instruction.size(), 15U);
  run = make(KVM_EXIT_SYSTEM_EVENT);
  run.system_event.type = KVM_SYSTEM_EVENT_CRASH;
  run.system_event.ndata = 1000;
  EXPECT_EQ(std::get<exits::SystemEvent>(decode_exit(run)).data.size(), 16U);
}

TEST(KvmExit, FailEntryAndMsr) {
  kvm_run run = make(KVM_EXIT_FAIL_ENTRY);
  run.fail_entry.hardware_entry_failure_reason = 0x8000'0021;
  run.fail_entry.cpu = 3;
  EXPECT_EQ(describe(decode_exit(run)),
            "KVM_EXIT_FAIL_ENTRY: the hardware refused the guest state, reason 0x80000021, CPU 3");
  run = make(KVM_EXIT_X86_WRMSR);
  run.msr.index = 0xc000'0080;
  run.msr.data = 0x500;
  run.msr.reason = KVM_MSR_EXIT_REASON_FILTER;
  EXPECT_EQ(describe(decode_exit(run)), "KVM_EXIT_X86_WRMSR: MSR 0xc0000080, data 0x500, reason 0x4");
}

TEST(KvmExit, TripleFault) {
  EXPECT_EQ(describe(decode_exit(make(KVM_EXIT_SHUTDOWN))), "KVM_EXIT_SHUTDOWN: triple fault");
}

}  // namespace
}  // namespace faultline::vmm::kvm
