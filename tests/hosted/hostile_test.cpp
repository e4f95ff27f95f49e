// Hosted guests that mean no good: whatever they do to what they can reach is an event or the end
// of the guest, never of the VMM, and no process is left behind.
#include <sys/syscall.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <set>

#include "tests/hosted/hosted_guest.hpp"
#include "tests/vcpu/kicking_thread.hpp"
#include "vmm/hosted/kernel_frame.hpp"

extern "C" const char faultline_hosted_stub[];
extern "C" const char faultline_hosted_handler[];
extern "C" const char faultline_hosted_stub_end[];

namespace faultline::vmm::testing {
namespace {

class HostedHostile : public HostedTest {
 protected:
  // Where the stub is, which no guest knows: these tests tell it.
  Gva stub_at(std::uint64_t offset = 0) { return hosted().stub().place().at(offset); }
};

const std::vector<unsigned> kJumpToRdi = {0xff, 0xe7};
const std::vector<unsigned> kSpin = {0xeb, 0xfe};

bool process_exists(pid_t pid) { return ::kill(pid, 0) == 0; }

// An event, and no error of the host, although the guest may spin or sleep.
VcpuEvent run_kicked(Vcpu& vcpu) {
  const KickingThread kicks(vcpu, std::chrono::milliseconds(2));
  auto event = vcpu.run();
  EXPECT_TRUE(event.has_value()) << event.error().message;
  return event ? *event : VcpuEvent{FatalEvent{}};
}

TEST_F(HostedHostile, NoProcessIsLeftBehind) {
  guest().load(kSpin);
  run_kicked(vcpu());
  const pid_t pid = hosted().stub().pid();
  EXPECT_TRUE(process_exists(pid));
  end_guest();
  EXPECT_FALSE(process_exists(pid));
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);
  EXPECT_EQ(errno, ECHILD);
}

TEST_F(HostedHostile, AStubThatIsKilledIsTheGuestsEnd) {
  guest().load(kSpin);
  const pid_t pid = hosted().stub().pid();
  std::jthread killer([pid] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    ::kill(pid, SIGKILL);
  });
  const auto end = guest().expect<FatalEvent>();
  EXPECT_NE(end.summary.find("killed by signal 9"), std::string::npos) << end.summary;
  guest().expect<FatalEvent>();  // and stays so
  EXPECT_FALSE(process_exists(pid));
}

TEST_F(HostedHostile, TheEndIsNoticedWhereTheKernelBuriesChildren) {
  const auto before = std::signal(SIGCHLD, SIG_IGN);
  guest().load(kSpin);
  const pid_t pid = hosted().stub().pid();
  std::jthread killer([pid] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    ::kill(pid, SIGKILL);
  });
  guest().expect<FatalEvent>();
  std::signal(SIGCHLD, before);
}

// A VMM that dies without a word takes the stub with it.
TEST_F(HostedHostile, TheStubDiesWithItsParent) {
  const pid_t parent = ::fork();
  if (parent == 0) {
    make();
    guest().load(kSpin);
    std::ofstream(std::filesystem::temp_directory_path() / ("stub-" + std::to_string(::getpid())))
        << hosted().stub().pid() << std::flush;
    (void)vcpu().run();
    ::_exit(0);
  }
  const auto note = std::filesystem::temp_directory_path() / ("stub-" + std::to_string(parent));
  pid_t stub = 0;
  for (int i = 0; i < 1000 && stub == 0; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    std::ifstream(note) >> stub;
  }
  ASSERT_NE(stub, 0);
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  ::kill(parent, SIGKILL);
  ::waitpid(parent, nullptr, 0);
  std::filesystem::remove(note);
  // Adopted by another process, which may take its time to bury it: a zombie runs nothing.
  char state = 'R';
  for (int i = 0; i < 500 && state != 'Z' && state != 'X'; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    std::ifstream stat("/proc/" + std::to_string(stub) + "/stat");
    std::string pid, name;
    if (!(stat >> pid >> name >> state)) state = 'X';
  }
  EXPECT_TRUE(state == 'Z' || state == 'X') << state;
}

TEST_F(HostedHostile, HoldsThreeDescriptorsAndNothingOfTheVmm) {
  guest().load(kSpin);
  run_kicked(vcpu());
  const std::string proc = "/proc/" + std::to_string(hosted().stub().pid());
  std::set<std::string> descriptors;
  for (const auto& entry : std::filesystem::directory_iterator(proc + "/fd"))
    descriptors.insert(entry.path().filename());
  EXPECT_EQ(descriptors, (std::set<std::string>{"0", "1", "2"}));
  std::ifstream maps(proc + "/maps");
  for (std::string line; std::getline(maps, line);) {
    const bool known = line.find("memfd:faultline-guest-ram") != std::string::npos ||
                       line.find("memfd:faultline-stub") != std::string::npos ||
                       line.find("[vsyscall]") != std::string::npos;
    EXPECT_TRUE(known) << line;
  }
}

TEST_F(HostedHostile, TheMemoryOfTheVmmIsOutOfReach) {
  int on_stack = 1;
  const auto on_heap = std::make_unique<int>(2);
  const void* const targets[] = {&on_stack, on_heap.get(), faultline_hosted_stub, guest().page(Gfn(1))};
  for (const void* target : targets) {
    guest().load({0x8a, 0x07});  // mov al, [rdi]
    vcpu().edit_regs()[UserRegs::kRdi] = reinterpret_cast<std::uint64_t>(target);
    const auto fault = guest().expect<PageFaultEvent>();
    EXPECT_EQ(fault.address.raw(), reinterpret_cast<std::uint64_t>(target));
    EXPECT_FALSE(fault.error.present());
  }
}

// Not one is executed: the process goes on, and each arrives as an event.
TEST_F(HostedHostile, EverySystemCallIsTheVmms) {
  guest().load({0x0f, 0x05, 0xeb, 0xfc});  // syscall; again
  constexpr std::uint64_t kUprobe = 336;   // not filtered since Linux 6.18, and without effect
  for (std::uint64_t number = 0; number < 600; ++number) {
    if (number == kUprobe) continue;
    vcpu().edit_regs()[UserRegs::kRax] = number;
    vcpu().edit_regs()[UserRegs::kRdi] = 0;
    guest().expect<SyscallEvent>();
    ASSERT_EQ(vcpu().regs()[UserRegs::kRax], number);
  }
  vcpu().edit_regs()[UserRegs::kRax] = 0x4000'0000 + SYS_exit_group;  // x32
  guest().expect<SyscallEvent>();
  EXPECT_TRUE(process_exists(hosted().stub().pid()));
}

TEST_F(HostedHostile, TheStubsOwnSystemCallInstructionsAreNoWayOut) {
  const std::uint64_t bytes = static_cast<std::uint64_t>(faultline_hosted_stub_end - faultline_hosted_stub);
  for (std::uint64_t at = 0; at + 1 < bytes; ++at) {
    if (faultline_hosted_stub[at] != 0x0f || faultline_hosted_stub[at + 1] != 0x05) continue;
    for (const long number : {SYS_mmap, SYS_munmap, SYS_mprotect, SYS_read, SYS_write, SYS_close, SYS_kill, SYS_ptrace,
                              SYS_exit_group, SYS_rt_sigprocmask, SYS_clone, SYS_seccomp}) {
      guest().load(kJumpToRdi);
      vcpu().edit_regs()[UserRegs::kRdi] = stub_at(at).raw();
      vcpu().edit_regs()[UserRegs::kRax] = static_cast<std::uint64_t>(number);
      guest().expect<SyscallEvent>();
      EXPECT_EQ(vcpu().regs().rip, stub_at(at).raw() + kSyscallBytes);
    }
  }
}

TEST_F(HostedHostile, JumpsAnywhereIntoTheStub) {
  const auto bytes = static_cast<std::uint64_t>(faultline_hosted_stub_end - faultline_hosted_stub);
  for (std::uint64_t at = 0; at < bytes; at += 3) {
    guest().load(kJumpToRdi);
    vcpu().edit_regs()[UserRegs::kRdi] = stub_at(at).raw();
    vcpu().edit_regs()[UserRegs::kRax] = at % 2 == 0 ? SYS_futex : SYS_rt_sigreturn;
    const pid_t pid = hosted().stub().pid();
    for (int i = 0; i < 3; ++i) {
      if (std::holds_alternative<FatalEvent>(run_kicked(vcpu()))) break;
    }
    make();
    EXPECT_FALSE(process_exists(pid));
  }
}

TEST_F(HostedHostile, CodeAndCommandsOfTheStubCannotBeWritten) {
  for (const std::uint64_t offset :
       {std::uint64_t{FLH_CODE}, std::uint64_t{FLH_COMMANDS}, std::uint64_t{FLH_DATA - 1}}) {
    guest().load({0xc6, 0x07, 0x00});  // mov byte [rdi], 0
    vcpu().edit_regs()[UserRegs::kRdi] = stub_at(offset).raw();
    const auto fault = guest().expect<PageFaultEvent>();
    EXPECT_EQ(fault.address.raw(), stub_at(offset).raw());
    EXPECT_TRUE(fault.error.write());
  }
}

TEST_F(HostedHostile, ScribblesOverTheStubsData) {
  // rep stosb; then spins
  for (const unsigned byte : {0x00U, 0x01U, 0xffU}) {
    guest().load({0xf3, 0xaa, 0xeb, 0xfe});
    UserRegs& r = vcpu().edit_regs();
    r[UserRegs::kRdi] = stub_at(FLH_DATA).raw();
    r[UserRegs::kRcx] = FLH_REGION_BYTES - FLH_DATA;
    r[UserRegs::kRax] = byte;
    for (int i = 0; i < 5; ++i) run_kicked(vcpu());
    make();
  }
}

// Claims to have stopped, and runs on: the VMM gets events of the guest's own making at worst.
TEST_F(HostedHostile, LiesAboutBeingStopped) {
  // mov dword [rdi], 1; jmp back to it
  guest().load({0xc7, 0x07, 0x01, 0x00, 0x00, 0x00, 0xeb, 0xf8});
  vcpu().edit_regs()[UserRegs::kRdi] = stub_at(FLH_DATA + FLH_STATE).raw();
  for (int i = 0; i < 200; ++i) run_kicked(vcpu());
}

TEST_F(HostedHostile, AStackPointerInTheStubsOwnStack) {
  for (const std::uint64_t offset : {std::uint64_t{FLH_STACK + 64}, std::uint64_t{FLH_REGION_BYTES}}) {
    guest().load({0x0f, 0x0b});  // ud2
    vcpu().edit_regs()[UserRegs::kRsp] = stub_at(offset).raw();
    const auto event = vcpu().run();
    ASSERT_TRUE(event.has_value());
    EXPECT_TRUE(std::holds_alternative<ExceptionEvent>(*event) || std::holds_alternative<FatalEvent>(*event))
        << TinyGuest::describe(*event);
    make();
  }
}

// A frame of the guest's own making, restored by the stub's own rt_sigreturn, blocks every signal.
TEST_F(HostedHostile, BlocksTheSignalThatStopsIt) {
  guest().load({0x8a, 0x04, 0x24, 0xff, 0xe7});  // mov al, [rsp]: the kernel must find the frame; jmp rdi
  std::byte* code = guest().page(mmu::Pte(guest().entry(kCode)).frame());
  code[16] = std::byte{0xeb}, code[17] = std::byte{0xfe};
  hosted::KernelFrame frame{};
  frame.context.rip = kCode.raw() + 16;
  frame.context.rflags = 0x202;
  frame.context.rsp = kStack.raw() - 64;
  frame.context.cs = 0x33;
  frame.context.ss = 0x2b;
  frame.signal_mask = ~0ULL;
  std::memcpy(guest().page(mmu::Pte(guest().entry(kData)).frame()), &frame, sizeof frame);
  // The handler's end: add rsp, 8; mov eax, 15; syscall.
  const char end[] = {0x48, static_cast<char>(0x83), static_cast<char>(0xc4), 0x08};
  const char* at = std::search(faultline_hosted_handler, faultline_hosted_stub_end, end, end + sizeof end);
  ASSERT_NE(at, faultline_hosted_stub_end);
  vcpu().edit_regs()[UserRegs::kRdi] = stub_at(static_cast<std::uint64_t>(at - faultline_hosted_stub)).raw();
  vcpu().edit_regs()[UserRegs::kRsp] = kData.raw();
  VcpuEvent event = InterruptedEvent{};
  for (int i = 0; i < 100 && std::holds_alternative<InterruptedEvent>(event); ++i) event = run_kicked(vcpu());
  ASSERT_TRUE(std::holds_alternative<FatalEvent>(event)) << TinyGuest::describe(event);
  EXPECT_FALSE(process_exists(hosted().stub().pid()) && hosted().stub().pid() != 0);
}

// Behind the back of make_way(): by hand, in the page tables.
TEST_F(HostedHostile, MapsWhereTheStubIs) {
  guest().load({0x88, 0x07, 0x0f, 0x05});  // mov [rdi], al; syscall
  guest().map(stub_at());
  vcpu().edit_regs()[UserRegs::kRdi] = stub_at().raw();
  const auto end = guest().expect<FatalEvent>();
  EXPECT_NE(end.summary.find("needs for itself"), std::string::npos) << end.summary;
}

// The way a mapping takes: what is there already gets out of it, with all of the guest's state.
TEST_F(HostedHostile, TheStubMovesOutOfTheWay) {
  // movq xmm3, rbx; wrfsbase rbx; syscall; mov [rdi], al; mov cl, [rdi]; movq rdx, xmm3; rdfsbase rsi; syscall
  guest().load({0x66, 0x48, 0x0f, 0x6e, 0xdb, 0xf3, 0x48, 0x0f, 0xae, 0xd3, 0x0f, 0x05, 0x88, 0x07,
                0x8a, 0x0f, 0x66, 0x48, 0x0f, 0x7e, 0xda, 0xf3, 0x48, 0x0f, 0xae, 0xc6, 0x0f, 0x05});
  vcpu().edit_regs()[UserRegs::kRbx] = 0x1234'5678;
  guest().expect<SyscallEvent>();
  const pid_t before = hosted().stub().pid();
  for (const std::uint64_t offset : {std::uint64_t{0}, std::uint64_t{FLH_DATA}, std::uint64_t{FLH_REGION_BYTES - 1}}) {
    const Gva target = stub_at(offset).page_base();
    ASSERT_TRUE(machine().user_half()->make_way(target, target + kPageSize, [](Gva, Gva) { return true; }));
    EXPECT_FALSE(hosted().stub().place().contains(target));
    guest().map(target);
    vcpu().edit_regs()[UserRegs::kRdi] = target.raw();
    vcpu().edit_regs()[UserRegs::kRax] = 0x77;
    vcpu().edit_regs().rip = kCode.raw() + 12;
    guest().expect<SyscallEvent>();
    EXPECT_EQ(guest().bytes(target)[0], std::byte{0x77});
    EXPECT_EQ(vcpu().regs()[UserRegs::kRdx], 0x1234'5678U);
    EXPECT_EQ(vcpu().regs()[UserRegs::kRsi], 0x1234'5678U);
  }
  EXPECT_FALSE(process_exists(before));
}

// "Unmaps the stub's own pages": what is not the guest's stays as it is, and what the guest jumps
// to where the stub was before is not mapped.
TEST_F(HostedHostile, WhereTheStubWasThereIsNothing) {
  const Gva old = stub_at();
  ASSERT_TRUE(machine().user_half()->make_way(old, old + kPageSize, [](Gva, Gva) { return true; }));
  for (const std::vector<unsigned>& code : {std::vector<unsigned>{0x8a, 0x07}, {0x88, 0x07}, {0xff, 0xe7}}) {
    guest().load(code);
    vcpu().edit_regs()[UserRegs::kRdi] = old.raw() + FLH_DATA;
    const auto fault = guest().expect<PageFaultEvent>();
    EXPECT_EQ(fault.address, old + FLH_DATA);
    EXPECT_FALSE(fault.error.present());
    guest().machine().sink().drop_all();
  }
}

TEST_F(HostedHostile, AMappingThatLeavesNoRoomIsRefused) {
  guest().load({0x0f, 0x05});
  ASSERT_FALSE(vcpu().capabilities().whole_user_half);
  const auto place = hosted().stub().place();
  EXPECT_FALSE(machine().user_half()->make_way(Gva(0), hosted::kMappableEnd, [](Gva, Gva) { return true; }));
  EXPECT_FALSE(machine().user_half()->make_way(place.start, place.end(), [](Gva, Gva) { return false; }));
  EXPECT_EQ(hosted().stub().place(), place);
  guest().expect<SyscallEvent>();
}

TEST_F(HostedHostile, NoTwoGuestsHaveTheStubAtTheSamePlace) {
  const Gva first = stub_at();
  make();
  EXPECT_NE(stub_at(), first);
}

TEST_F(HostedHostile, A32BitCodeSegment) {
  // push 0x23; push rdi; retfq
  guest().load({0x6a, 0x23, 0x57, 0x48, 0xcb});
  std::byte* code = guest().page(mmu::Pte(guest().entry(kCode)).frame());
  code[32] = std::byte{0xcd}, code[33] = std::byte{0x80};  // int 0x80
  vcpu().edit_regs()[UserRegs::kRdi] = kCode.raw() + 32;
  vcpu().edit_regs()[UserRegs::kRax] = 1;  // its exit
  EXPECT_EQ(guest().expect<ExceptionEvent>().vector, 13);
  EXPECT_TRUE(process_exists(hosted().stub().pid()));
}

}  // namespace
}  // namespace faultline::vmm::testing
