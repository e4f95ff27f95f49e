// A vCPU that cannot go on says why. The guest is broken from outside: user code cannot do this.
#include "tests/kvm/kvm_guest.hpp"

namespace faultline::vmm::testing {
namespace {

using Fatal = KvmTest;

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TEST_F(Fatal, TripleFaultNamesTheMissingGates) {
  guest().load({0x48, 0x8b, 0x04, 0x25, 0x00, 0x00, 0x60, 0x00});  // mov rax, [0x600000]
  vcpu().edit_regs()[UserRegs::kRbx] = 0xfeed'f00d;
  std::memset(guest().page(kvm::kIdtFrame), 0, kPageSize);
  const auto fatal = guest().expect<FatalEvent>();
  EXPECT_TRUE(contains(fatal.summary, "triple fault; IDT gate 0 (#DE) to 31")) << fatal.summary;
  EXPECT_TRUE(contains(fatal.detail, "00000000feedf00d")) << fatal.detail;
  EXPECT_TRUE(contains(fatal.detail, "0000000000400000")) << fatal.detail;
  guest().expect<FatalEvent>();  // for good
}

TEST_F(Fatal, DoubleFaultNamesTheMissingGate) {
  guest().load({0x48, 0x8b, 0x04, 0x25, 0x00, 0x00, 0x60, 0x00});
  std::memset(guest().page(kvm::kIdtFrame) + 14 * 16, 0, 16);
  const auto event = vcpu().run();
  ASSERT_TRUE(event.has_value()) << event.error().message;
  if (std::holds_alternative<ExceptionEvent>(*event)) GTEST_SKIP() << "this KVM has no #DF for a missing gate";
  ASSERT_TRUE(std::holds_alternative<FatalEvent>(*event)) << TinyGuest::describe(*event);
  const auto fatal = std::get<FatalEvent>(*event);
  EXPECT_TRUE(contains(fatal.summary, "#DF")) << fatal.summary;
  EXPECT_TRUE(contains(fatal.summary, "IDT gate 14 (#PF) is not present")) << fatal.summary;
  EXPECT_TRUE(contains(fatal.detail, "came at rip 0000000000400000")) << fatal.detail;
}

TEST_F(Fatal, TripleFaultNamesTheUnmappedStacks) {
  guest().load({0x0f, 0x0b});
  // The supervisor half loses the page of the vCPU.
  guest().entry(kvm::monitor_address(kvm::kFirstVcpuFrame)) = 0;
  guest().machine().sink().drop_all();
  const auto fatal = guest().expect<FatalEvent>();
  EXPECT_TRUE(contains(fatal.summary, "triple fault")) << fatal.summary;
  EXPECT_TRUE(contains(fatal.detail, "the page of GDT, TSS and stacks")) << fatal.detail;
}

TEST_F(Fatal, AGateIntoNowhere) {
  guest().load({0x0f, 0x0b});
  // Vector 6 goes to a page that does not exist: #PF in supervisor code, which has a stub.
  std::uint64_t word = 0;
  std::byte* gate = guest().page(kvm::kIdtFrame) + 6 * 16;
  std::memcpy(&word, gate, sizeof word);
  word = (word & ~(0xffffULL << 48 | 0xffffULL)) | 0x9000;
  std::memcpy(gate, &word, sizeof word);
  std::memset(gate + 8, 0, 8);
  const auto fatal = guest().expect<FatalEvent>();
  EXPECT_TRUE(contains(fatal.summary, "#PF in supervisor code")) << fatal.summary << "\n" << fatal.detail;
  EXPECT_TRUE(contains(fatal.detail, "IDT gate 6 (#UD) leads elsewhere")) << fatal.detail;
  EXPECT_TRUE(contains(fatal.detail, "came at rip 0000000000009000")) << fatal.detail;
}

}  // namespace
}  // namespace faultline::vmm::testing
