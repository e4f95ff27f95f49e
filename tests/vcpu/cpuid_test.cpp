// CPUID of user code: the same CPU on every backend.
#include <cpuid.h>

#include "tests/vcpu/vcpu_test.hpp"
#include "vmm/port/guest_cpu.hpp"

namespace faultline::vmm::testing {
namespace {

// mov esi, ecx behind it, because SYSCALL takes RCX.
const std::vector<unsigned> kAsk = {0x0f, 0xa2, 0x89, 0xce, 0x0f, 0x05};

// Precondition: kAsk is loaded.
CpuidRegs ask(TinyGuest& guest, std::uint32_t leaf, std::uint32_t subleaf) {
  guest.start();
  guest.vcpu().edit_regs()[UserRegs::kRax] = leaf | 0xffff'ffff'0000'0000;
  guest.vcpu().edit_regs()[UserRegs::kRcx] = subleaf;
  guest.expect<SyscallEvent>();
  const UserRegs& r = guest.vcpu().regs();
  for (const unsigned n : {UserRegs::kRax, UserRegs::kRbx, UserRegs::kRsi, UserRegs::kRdx}) {
    EXPECT_EQ(r[n] >> 32, 0U) << n;
  }
  const auto low = [&r](unsigned n) { return static_cast<std::uint32_t>(r[n]); };
  return {low(UserRegs::kRax), low(UserRegs::kRbx), low(UserRegs::kRsi), low(UserRegs::kRdx)};
}

// PCID and INVPCID, of which user code cannot make any use: a KVM that has them lets the entry stubs use them only
// when the guest's CPUID tells of them.
CpuidRegs without_pcids(std::uint32_t leaf, CpuidRegs r) {
  if (leaf == 1) r.ecx &= ~(1U << 17);
  if (leaf == 7) r.ebx &= ~(1U << 10);
  return r;
}

// What the KVM at hand offers of a leaf; what the CPU has where there is none.
CpuidRegs kvms(std::uint32_t leaf) {
  if (auto system = kvm::System::open(); system) {
    const auto entries = system->supported_cpuid();
    EXPECT_TRUE(entries.has_value());
    for (const auto& e : *entries)
      if (e.function == leaf && e.index == 0) return {e.eax, e.ebx, e.ecx, e.edx};
  }
  CpuidRegs r;
  __cpuid_count(leaf, 0, r.eax, r.ebx, r.ecx, r.edx);
  return r;
}

using CpuidOfTwoBackends = OnBackend;
class CpuidInUserCode : public VcpuTest {};
FL_ON_EVERY_BACKEND(CpuidInUserCode);

TEST_P(CpuidInUserCode, IsTheHostsForWhatALibraryChoosesItsCodeBy) {
  if (!can().cpuid_as_told) GTEST_SKIP() << "user code sees the host's own CPUID here";
  guest().load(kAsk);
  const auto host = [](std::uint32_t leaf, std::uint32_t subleaf) {
    CpuidRegs r;
    __cpuid_count(leaf, subleaf, r.eax, r.ebx, r.ecx, r.edx);
    return r;
  };
  const std::uint64_t components = vcpu().xsave_features();
  const auto expect_hosts = [&](std::uint32_t leaf, std::uint32_t CpuidRegs::*part, std::uint32_t kvms_own) {
    EXPECT_EQ(without_pcids(leaf, ask(guest(), leaf, 0)).*part | kvms_own,
              guest_cpuid(leaf, 0, host(leaf, 0), components).*part | kvms_own)
        << std::hex << leaf;
  };
  // KVM's own devices: x2APIC, its timer, that this is a hypervisor, TSC_ADJUST. None is for user code.
  expect_hosts(1, &CpuidRegs::ecx, 1U << 21 | 1U << 24 | 1U << 31);
  // ERMS, MPX and PCOMMIT of a CPU whose kernel does not use them, and has KVM keep them back.
  constexpr std::uint32_t kTscAdjust = 1U << 1, kMayBeKeptBack = 1U << 9 | 1U << 14 | 1U << 22;
  expect_hosts(7, &CpuidRegs::ebx, kTscAdjust | (kMayBeKeptBack & host(7, 0).ebx & ~kvms(7).ebx));
  expect_hosts(0x8000'0001, &CpuidRegs::ecx, 0);
  EXPECT_EQ(ask(guest(), 0xd, 0).eax, static_cast<std::uint32_t>(components));
  EXPECT_EQ(ask(guest(), 0xd, 0).ebx, vcpu().xsave_size());
}

TEST_F(CpuidOfTwoBackends, IsTheSame) {
  make_on("hosted");
  if (IsSkipped()) return;
  if (!can().cpuid_as_told) GTEST_SKIP() << "user code sees the host's own CPUID here";
  if (auto system = kvm::System::open(); !system) GTEST_SKIP() << system.error().message;
  MachineConfig config;
  config.backend = "kvm";
  auto other = TinyGuest::create_on(create_machine(config));
  ASSERT_TRUE(other.has_value()) << other.error().message;
  guest().load(kAsk);
  (*other)->load(kAsk);
  const auto same = [&](std::uint32_t leaf, std::uint32_t subleaf) {
    const CpuidRegs here = ask(guest(), leaf, subleaf), there = ask(**other, leaf, subleaf);
    EXPECT_EQ(subleaf == 0 ? without_pcids(leaf, here) : here, subleaf == 0 ? without_pcids(leaf, there) : there)
        << std::hex << leaf << "/" << subleaf;
  };
  for (std::uint32_t leaf = 0; leaf <= 0x28; ++leaf) {
    const bool deep = leaf == 4 || leaf == 7 || leaf == 0xb || leaf == 0xd || leaf == 0x1f;
    for (std::uint32_t subleaf = 0; subleaf < (deep ? 20U : 2U); ++subleaf) same(leaf, subleaf);
  }
  for (std::uint32_t leaf = 0x8000'0000; leaf <= 0x8000'0024; ++leaf) same(leaf, 0);
  for (const std::uint32_t leaf : {0x100U, 0x4000'0000U, 0x4000'0001U, 0x5000'0000U, 0x8086'0000U, ~0U}) same(leaf, 0);
}

TEST_P(CpuidInUserCode, AcrossTwoPagesWithAPrefix) {
  if (!can().cpuid_as_told) GTEST_SKIP() << "user code sees the host's own CPUID here";
  guest().load({});
  std::byte* end = guest().bytes(kCode) + kPageSize;
  end[-2] = std::byte{0x48}, end[-1] = std::byte{0x0f};
  std::byte* next = guest().map(kCode + kPageSize);
  next[0] = std::byte{0xa2}, next[1] = std::byte{0x0f}, next[2] = std::byte{0x05};
  vcpu().edit_regs().rip = kCode.raw() + kPageSize - 2;
  vcpu().edit_regs()[UserRegs::kRax] = 0;
  guest().expect<SyscallEvent>();
  EXPECT_EQ(vcpu().regs().rip, kCode.raw() + kPageSize + 3);
  EXPECT_NE(vcpu().regs()[UserRegs::kRbx], 0U) << "the vendor";
}

TEST_P(CpuidInUserCode, IsOneStepOfTheTrapFlag) {
  if (!can().single_step_by_tf) GTEST_SKIP() << "no single step by the trap flag here";
  guest().load({0x0f, 0xa2, 0x90});
  vcpu().edit_regs().rflags |= 1U << 8;
  for (const std::uint64_t offset : {2U, 3U}) {
    EXPECT_EQ(guest().expect<ExceptionEvent>().vector, 1);
    EXPECT_EQ(vcpu().regs().rip, kCode.raw() + offset);
  }
}

}  // namespace
}  // namespace faultline::vmm::testing
