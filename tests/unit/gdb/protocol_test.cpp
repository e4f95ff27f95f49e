#include "vmm/gdb/protocol.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <random>

#include "tests/unit/linux_abi/task_fixture.hpp"
#include "vmm/gdb/guest_memory.hpp"

namespace faultline::test {
namespace {

using namespace vmm::gdb;
using testing::HasSubstr;
using testing::StartsWith;
using vmm::UserRegs;

class GdbProtocolTest : public TaskTest {
 protected:
  GdbProtocolTest() : tracee(Tracee::create(vcpu, *processes).value()) {}

  std::string ask(std::string_view packet) { return protocol.handle(packet, stop).reply.value_or("(none)"); }
  std::optional<Resume> resume(std::string_view packet) { return protocol.handle(packet, stop).resume; }

  std::unique_ptr<Tracee> tracee;
  std::vector<MonitorCommand> monitor = {
      {"echo", "WORDS", "says them", [](abi::Task&, const std::string& words) { return words + "\n"; }}};
  std::vector<std::string> sent;
  Protocol protocol{*tracee, monitor, [this](std::string_view packet) { sent.emplace_back(packet); }};
  Stop stop;
};

TEST_F(GdbProtocolTest, Registers) {
  vcpu.edit_regs()[UserRegs::kRbx] = 0x1122334455667788;
  EXPECT_EQ(ask("p1"), "8877665544332211");
  EXPECT_EQ(ask("p10"), "0210400000000000");
  const std::string all = ask("g");
  EXPECT_EQ(all.substr(16, 16), "8877665544332211");
  EXPECT_EQ(all.size(), 2 * (17 * 8 + 7 * 4 + 8 * 10 + 8 * 4 + 16 * 16 + 4 + 3 * 8));
  EXPECT_EQ(ask("P0=0100000000000000"), "OK");
  EXPECT_EQ(vcpu.regs()[UserRegs::kRax], 1u);
  EXPECT_EQ(ask("P3a=0010000000000000"), "OK");
  EXPECT_EQ(vcpu.fs, 0x1000u);
  EXPECT_EQ(ask("P28=" + std::string(32, '7')), "OK");  // xmm0
  EXPECT_EQ(ask("p28"), std::string(32, '7'));
  EXPECT_EQ(ask("P18=" + std::string(20, '3')), "OK");  // st0
  EXPECT_EQ(ask("p18"), std::string(20, '3'));
  EXPECT_EQ(ask("p20"), "7f030000");  // fctrl
  EXPECT_EQ(ask("p38"), "801f0000");  // mxcsr
  EXPECT_EQ(ask("G" + ask("g")), "OK");
  for (const char* bad : {"p3c", "p", "P0=01", "P0", "P3c=00", "Gzz", "G00", "P0=010000000000000g"})
    EXPECT_EQ(ask(bad), "E01") << bad;
}

TEST_F(GdbProtocolTest, MemoryIsReadWithoutFaultingItIn) {
  const auto frames = memory.frames.used_frames();
  EXPECT_EQ(ask("m10000000,4"), "00000000");
  EXPECT_EQ(memory.frames.used_frames(), frames);
  EXPECT_EQ(mm().counters.minor, 0u);
  EXPECT_EQ(ask("M10000000,2:abcd"), "OK");
  EXPECT_EQ(ask("m10000000,4"), "abcd0000");
  EXPECT_EQ(ask(std::string("X10000001,2:\x01\x02")), "OK");
  EXPECT_EQ(ask("m10000000,4"), "ab010200");
  EXPECT_EQ(ask("m1000ffff,4"), "00");  // as much as there is
  EXPECT_EQ(ask("m20000000,1"), "E0e");
  EXPECT_EQ(ask("mffffffffffffffff,10"), "E0e");
  EXPECT_EQ(ask("m0,ffffffffffffffff"), "E0e");
  EXPECT_EQ(ask("M20000000,1:00"), "E0e");
  for (const char* bad : {"m", "m1", "m1,", "m,1", "M10000000,2:ab", "M10000000,1:zz", "M1", "X1,5:1"})
    EXPECT_EQ(ask(bad), "E01") << bad;
}

TEST_F(GdbProtocolTest, ResumeActions) {
  EXPECT_FALSE(resume("vCont;c")->step);
  EXPECT_TRUE(resume("vCont;s:1092;c")->step);
  EXPECT_FALSE(resume("vCont;s:1;c")->step);  // another thread's
  EXPECT_EQ(resume("vCont;C0b")->signal, SIGSEGV);
  EXPECT_EQ(resume("C0a")->signal, SIGBUS);
  const auto range = resume("vCont;r401000,401010:1092");
  EXPECT_TRUE(range->step);
  EXPECT_EQ(range->range_end, Gva(0x401010));
  EXPECT_TRUE(resume("s401234")->step);
  EXPECT_EQ(vcpu.regs().rip, 0x401234u);
  EXPECT_EQ(resume("k")->how, Resume::How::kKill);
  EXPECT_EQ(resume("D;1")->how, Resume::How::kDetach);
  for (const char* bad :
       {"vCont;", "vCont;x", "vCont;r", "vCont;r1", "vCont;Czz", "C", "Cffffffff", "szz", "vCont;c:77"})
    EXPECT_FALSE(resume(bad)) << bad;
}

TEST_F(GdbProtocolTest, StopReplies) {
  EXPECT_EQ(ask("?"), "T05thread:1092;");
  stop = {.why = Stop::Why::kSignal, .signal = SIGSEGV};
  EXPECT_EQ(ask("?"), "T0bthread:1092;");
  stop = {.why = Stop::Why::kBreakpoint};
  EXPECT_EQ(ask("?"), "T05thread:1092;");
  EXPECT_THAT(ask("qSupported:swbreak+;hwbreak+;exec-events+;xmlRegisters=i386"), HasSubstr("PacketSize=20000"));
  EXPECT_EQ(ask("?"), "T05swbreak:;thread:1092;");
  stop = {.why = Stop::Why::kWatchpoint, .watch = {Gva(0x1234), 8, WatchKind::kAccess}};
  EXPECT_EQ(ask("?"), "T05awatch:1234;thread:1092;");
  EXPECT_EQ(Protocol::end_reply({.code = 6, .signal = 0}), "W06");
  EXPECT_EQ(Protocol::end_reply({.code = 0, .signal = SIGBUS}), "X0a");
}

TEST_F(GdbProtocolTest, ObjectsComeInPieces) {
  const std::string& xml = target_description();
  EXPECT_EQ(ask("qXfer:features:read:target.xml:0,10"), "m" + xml.substr(0, 16));
  EXPECT_EQ(ask(fmt::format("qXfer:features:read:target.xml:{:x},1000", xml.size() - 3)),
            "l" + xml.substr(xml.size() - 3));
  EXPECT_EQ(ask(fmt::format("qXfer:features:read:target.xml:{:x},10", xml.size())), "l");
  EXPECT_EQ(ask(fmt::format("qXfer:features:read:target.xml:{:x},10", xml.size() + 1)), "E01");
  EXPECT_EQ(ask("qXfer:exec-file:read::0,fff"), "l/usr/bin/guest");
  EXPECT_EQ(ask("qXfer:nothing:read::0,fff"), "");
  EXPECT_EQ(ask("qXfer:siginfo:read::0,80"), "E01");
  task->queue_signal(abi::SignalInfo::fault(SIGSEGV, SEGV_MAPERR, 0x1234, {}));
  stop = {.why = Stop::Why::kSignal, .signal = SIGSEGV};
  EXPECT_EQ(ask("qXfer:siginfo:read::0,80").size(), 129u);
}

TEST_F(GdbProtocolTest, MonitorCommands) {
  EXPECT_EQ(ask("qRcmd," + to_hex(std::string_view("echo hello you"))), "OK");
  EXPECT_EQ(sent, std::vector<std::string>{"O" + to_hex(std::string_view("hello you\n"))});
  sent.clear();
  ask("qRcmd," + to_hex(std::string_view("help")));
  EXPECT_THAT(from_hex(sent.at(0).substr(1)).value(), HasSubstr("monitor echo WORDS"));
  EXPECT_EQ(ask("qRcmd,6"), "E01");
}

TEST_F(GdbProtocolTest, OnlyTheProgramMayBeRead) {
  EXPECT_EQ(ask("vFile:open:" + to_hex(std::string_view("/etc/passwd")) + ",0,0"), "F-1,2");
  EXPECT_EQ(ask("vFile:pread:3,10,0"), "F-1,9");  // the fixture's program is no file
  EXPECT_EQ(ask("vFile:unlink:" + to_hex(std::string_view("/usr/bin/guest"))), "");
}

TEST_F(GdbProtocolTest, PointsAreBounded) {
  for (unsigned i = 0; i < Breakpoints::kMost; ++i) EXPECT_EQ(ask(fmt::format("Z0,{:x},1", 0x400000 + i)), "OK");
  EXPECT_EQ(ask("Z0,500000,1"), "E0e");
  EXPECT_EQ(ask("z0,400000,1"), "OK");
  EXPECT_EQ(ask("Z1,500000,1"), "OK");
  EXPECT_EQ(ask("Z0,ffffffffffffffff,1"), "E0e");
  EXPECT_EQ(ask("Z2,10000000,0"), "E0e");
  EXPECT_EQ(ask("Z2,10000000,10001"), "E0e");
  EXPECT_EQ(ask("Z4,fffffffffffffff0,40"), "E0e");
  EXPECT_EQ(ask("Z5,0,1"), "");
  EXPECT_EQ(ask("Z2,10000000,8"), "OK");
  EXPECT_EQ(ask("z2,10000000,8"), "OK");
}

// Packets made at random around those that exist: each is answered, none has an effect that is not asked for.
TEST_F(GdbProtocolTest, NoPacketDoesHarm) {
  std::mt19937 random(3);
  const std::vector<std::string> seeds = {"g",
                                          "G",
                                          "p1",
                                          "P1=",
                                          "m10000000,10",
                                          "M10000000,4:",
                                          "X10000000,4:",
                                          "Z0,10000000,1",
                                          "z2,10000000,4",
                                          "Z3,1000fff0,40",
                                          "qSupported:a;b+;c=",
                                          "qXfer:features:read:target.xml:0,ff",
                                          "qXfer:auxv:read::0,fff",
                                          "qRcmd,68656c70",
                                          "vCont;r1,2:3;s;C05",
                                          "vFile:open:2f,0,0",
                                          "vFile:pread:3,4,5",
                                          "QPassSignals:e;10;14",
                                          "H",
                                          "T1",
                                          "qThreadExtraInfo,1",
                                          "C0b;401000"};
  for (int round = 0; round < 20'000; ++round) {
    std::string packet = seeds[random() % seeds.size()];
    for (auto edits = random() % 6; edits > 0; --edits) {
      const std::size_t at = packet.empty() ? 0 : random() % packet.size();
      const char c = random() % 3 == 0 ? static_cast<char>(random()) : "0123456789abcdef,:;=-"[random() % 21];
      switch (random() % 3) {
        case 0: packet.insert(at, 1, c); break;
        case 1:
          if (!packet.empty()) packet[at] = c;
          break;
        default: packet.erase(at, 1 + random() % 3);
      }
    }
    const auto answer = protocol.handle(packet, stop);
    EXPECT_TRUE(answer.reply || answer.resume) << packet;
    EXPECT_LE(answer.reply.value_or("").size(), kMaxPayload) << packet;
  }
  EXPECT_EQ(ask("qC"), "QC1092");
}

}  // namespace
}  // namespace faultline::test
