// `faultline run --gdb`, with the real gdb and with a client that misbehaves.
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>
#include <thread>

#include "tests/cli/cli.hpp"
#include "tests/support/scratch_folder.hpp"

namespace faultline::test {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr const char* kGdb = "/usr/bin/gdb";

class GdbTest : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (::access(kGdb, X_OK) != 0) GTEST_SKIP() << kGdb << " is not there";
    const auto probe = faultline({"run", "--backend", GetParam(), "--", guest_program("exit_status"), "0"});
    if (probe.status == 125) GTEST_SKIP() << probe.err;
  }

  // Starts the program under the debugger, `options` before it, and returns when it has ended.
  std::thread start(const std::vector<std::string>& options, const std::vector<std::string>& command) {
    std::vector<std::string> arguments = {"run", "--backend", GetParam(), "--gdb", socket()};
    arguments.insert(arguments.end(), options.begin(), options.end());
    arguments.emplace_back("--");
    arguments.push_back(guest_program(command.front()));
    arguments.insert(arguments.end(), command.begin() + 1, command.end());
    return std::thread([this, arguments] { program_ = faultline(arguments, folder_.path()); });
  }
  // Until somebody listens there (proc_pid_net(5): flag SO_ACCEPTCON).
  void wait_for_socket() const {
    const auto listens = [this] {
      std::ifstream sockets("/proc/net/unix");
      for (std::string line; std::getline(sockets, line);)
        if (line.ends_with(" " + socket()) && line.find(" 00010000 ") != std::string::npos) return true;
      return false;
    };
    for (int i = 0; i < 3000 && !listens(); ++i) ::usleep(10'000);
  }
  // What gdb says to the commands; the program's own side is in program_.
  std::string gdb(const std::vector<std::string>& commands, const std::vector<std::string>& command,
                  const std::vector<std::string>& options = {}, bool symbols = true) {
    std::thread program = start(options, command);
    wait_for_socket();
    ProcessRequest request;
    request.argv = {kGdb, "-nx", "-batch"};
    for (const char* setting :
         {"set pagination off", "set confirm off", "set debuginfod enabled off", "set print thread-events off"})
      request.argv.insert(request.argv.end(), {"-iex", setting});
    if (symbols) request.argv.push_back(guest_program(command.front()));
    request.argv.insert(request.argv.end(), {"-ex", "target remote " + socket()});
    for (const std::string& one : commands) request.argv.insert(request.argv.end(), {"-ex", one});
    const auto result = run_process(request);
    EXPECT_FALSE(result.timed_out) << result.out << result.err;
    program.join();
    EXPECT_FALSE(program_.timed_out) << result.out << result.err;
    return result.out + result.err;
  }
  [[nodiscard]] std::string socket() const { return folder_.path() + "/gdb"; }

  ScratchFolder folder_;
  ProcessResult program_;
};

TEST_P(GdbTest, StopsAtASymbolAndStepsAndFinishes) {
  const auto said = gdb({"break add_to", "continue", "print/d $rdi", "print/d $rsi", "x/i $pc", "stepi", "x/i $pc",
                         "continue", "print/d $rdi", "delete", "continue"},
                        {"debuggee"});
  EXPECT_THAT(said, HasSubstr("Breakpoint 1, "));
  EXPECT_THAT(said, HasSubstr("$1 = 0"));
  EXPECT_THAT(said, HasSubstr("$2 = 1"));
  EXPECT_THAT(said, HasSubstr("<add_to>:"));
  EXPECT_THAT(said, HasSubstr("<add_to+"));
  EXPECT_THAT(said, HasSubstr("$3 = 1"));
  EXPECT_THAT(said, HasSubstr("exited with code 06"));
  EXPECT_EQ(program_.status, 6) << said;
  EXPECT_EQ(program_.out, "sum=6\ntrap flag=0\n");
}

TEST_P(GdbTest, AProgramSteppedThroughSeesNothingOfIt) {
  const auto said = gdb({"break flags_now", "continue", "stepi", "stepi", "stepi", "delete", "continue"}, {"debuggee"});
  EXPECT_EQ(program_.out, "sum=6\ntrap flag=0\n") << said;
}

TEST_P(GdbTest, MemoryThatNobodyTouchedIsReadAndStaysUntouched) {
  const std::string statistics = folder_.path() + "/statistics.json";
  const auto counts = [&statistics] {
    std::ifstream file(statistics);
    const auto j = nlohmann::json::parse(file);
    return std::vector<nlohmann::json>{j["exits"]["page_fault"], j["faults"], j["fault_paths"], j["memory"]};
  };
  ASSERT_EQ(faultline({"run", "--backend", GetParam(), "--stats-json", statistics, guest_program("debuggee")}).status,
            6);
  const auto alone = counts();

  const auto said =
      gdb({"break add_to", "continue", "x/s &untouched_file", "print/d *(char*)((char*)&untouched_zeros + 5000)",
           "x/2i crash", "info symbol $pc", "eval \"monitor walk %p\", &untouched_file",
           "eval \"monitor walk %p\", &untouched_zeros", "delete", "continue"},
          {"debuggee"}, {"--stats-json", statistics});
  EXPECT_THAT(said, HasSubstr("\"straight from the file\""));
  EXPECT_THAT(said, HasSubstr("= 0"));
  EXPECT_THAT(said, HasSubstr("not present"));
  EXPECT_EQ(counts(), alone) << said;
}

TEST_P(GdbTest, ACrashIsCaughtAtItsInstruction) {
  const auto said = gdb({"continue", "x/i $pc", "print/x $rdi", "print/x $_siginfo._sifields._sigfault.si_addr",
                         "monitor fault", "continue"},
                        {"debuggee", "crash"});
  EXPECT_THAT(said, HasSubstr("SIGSEGV"));
  EXPECT_THAT(said, testing::ContainsRegex("=> 0x[0-9a-f]+ <crash(\\+[0-9]+)?>:\tmov"));
  EXPECT_THAT(said, HasSubstr("$1 = 0x0"));
  EXPECT_THAT(said, HasSubstr("$2 = 0x0"));
  EXPECT_THAT(said, HasSubstr("SEGV_MAPERR"));
  EXPECT_THAT(said, HasSubstr("Program terminated with signal SIGSEGV"));
  EXPECT_EQ(program_.status, 139);
  EXPECT_THAT(program_.err, HasSubstr("crash+0x"));  // the report is as ever
}

TEST_P(GdbTest, WatchpointsTellWritesAndReads) {
  const auto writes = gdb({"watch *(long*)&watched", "continue", "continue", "continue", "continue"}, {"debuggee"});
  EXPECT_THAT(writes, HasSubstr("Hardware watchpoint 1"));
  EXPECT_THAT(writes, HasSubstr("Old value = 7\nNew value = 1\n"));
  EXPECT_THAT(writes, HasSubstr("Old value = 1\nNew value = 3\n"));
  EXPECT_THAT(writes, HasSubstr("Old value = 3\nNew value = 6\n"));
  EXPECT_THAT(writes, HasSubstr("exited with code 06"));

  const auto accesses = gdb({"awatch *(long*)&watched", "continue", "bt 1", "delete", "continue"}, {"debuggee"});
  EXPECT_THAT(accesses, HasSubstr("Hardware access (read/write) watchpoint 1"));
  EXPECT_THAT(accesses, HasSubstr("add_to"));
  EXPECT_EQ(program_.status, 6);
}

TEST_P(GdbTest, MonitorCommands) {
  const auto said = gdb({"monitor help", "monitor vmas", "monitor walk $pc", "monitor nonsense", "monitor fault",
                         "monitor processes", "monitor stats", "kill"},
                        {"debuggee"});
  EXPECT_THAT(said, HasSubstr("monitor walk ADDRESS"));
  EXPECT_THAT(said, HasSubstr("[stack]"));
  EXPECT_THAT(said, HasSubstr("is not an address"));
  EXPECT_THAT(said, HasSubstr("no monitor command 'nonsense'"));
  EXPECT_THAT(said, HasSubstr("no fault yet"));
  EXPECT_THAT(said, HasSubstr("(this one)"));
  EXPECT_THAT(said, HasSubstr("faultline statistics ("));
  EXPECT_EQ(program_.status, 137);
}

TEST_P(GdbTest, RegistersAndMemoryCanBeChanged) {
  const auto said =
      gdb({"break add_to", "continue", "set var $rsi = 100", "set var *(long*)&watched = 5", "print *(long*)&watched",
           "set var $xmm3.v2_int64[0] = 77", "set var $st0 = 2.5", "print $xmm3.v2_int64[0]", "print $st0",
           "print $fs_base == $gs_base", "print/x $cs", "delete", "continue"},
          {"debuggee"});
  EXPECT_THAT(said, HasSubstr("$1 = 5"));
  EXPECT_THAT(said, HasSubstr("$2 = 77"));
  EXPECT_THAT(said, HasSubstr("$3 = 2.5"));
  EXPECT_THAT(said, HasSubstr("$4 = 1"));
  EXPECT_THAT(said, HasSubstr("$5 = 0x33"));
  EXPECT_THAT(program_.out, HasSubstr("sum=105\n")) << said;
}

TEST_P(GdbTest, APieIsFoundWithoutBeingNamed) {
  const auto said =
      gdb({"break main", "continue", "info symbol $pc", "info auxv", "kill"}, {"sort_pie"}, {}, /*symbols=*/false);
  EXPECT_THAT(said, HasSubstr("Breakpoint 1, "));
  EXPECT_THAT(said, HasSubstr("main in section .text"));
  EXPECT_THAT(said, HasSubstr("AT_ENTRY"));
}

TEST_P(GdbTest, BreakpointsAreNotInherited) {
  const auto plain =
      faultline({"run", "--backend", GetParam(), "--", guest_program("processes_glibc")}, folder_.path());
  folder_.clear();
  const auto said =
      gdb({"break write", "ignore 1 1000000", "break _exit", "continue", "continue"}, {"processes_glibc"});
  EXPECT_THAT(said, HasSubstr("Breakpoint 2, ")) << program_.out << program_.err;
  EXPECT_THAT(said, HasSubstr("exited normally"));
  EXPECT_EQ(program_.out, plain.out);
  EXPECT_EQ(program_.status, plain.status);
}

TEST_P(GdbTest, GuestsThatTrapThemselvesKeepTheirTraps) {
  for (const char* program : {"single_step", "breakpoint_caught"}) {
    const auto plain = faultline({"run", "--backend", GetParam(), guest_program(program)});
    const auto said = gdb({"handle SIGTRAP nostop noprint pass", "continue"}, {program});
    EXPECT_EQ(program_.out, plain.out) << said;
    EXPECT_EQ(program_.status, plain.status) << said;
  }
}

TEST_P(GdbTest, CtrlCStopsAGuestThatComputesAndDetachLetsItGo) {
  std::thread program = start({"--time-limit", "20"}, {"spin"});
  wait_for_socket();
  const std::string script =
      "gdb -nx -batch -iex 'set debuginfod enabled off' '" + guest_program("spin") + "' -ex 'target remote " +
      socket() + "' -ex 'shell (sleep 1; kill -INT $PPID; sleep 0.2) &' -ex continue -ex 'x/i $pc' -ex kill";
  const auto result = run_process({.argv = {"/bin/bash", "-c", "exec " + script}});
  program.join();
  EXPECT_THAT(result.out + result.err, HasSubstr("SIGINT"));
  EXPECT_EQ(program_.status, 137) << result.out << result.err;
}

// A client of our own.
class Client {
 public:
  explicit Client(const std::string& path) : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.c_str(), std::min(path.size(), sizeof address.sun_path - 1));
    for (int i = 0; i < 3000; ++i) {
      if (::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return;
      ::usleep(10'000);
    }
  }
  ~Client() { ::close(fd_); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Takes what comes meanwhile, and drops it: who only talks is taken for gone.
  bool send(std::string_view bytes) const {
    while (!bytes.empty()) {
      const ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (n > 0) {
        bytes.remove_prefix(static_cast<std::size_t>(n));
        continue;
      }
      if (errno != EAGAIN) return false;
      drain();
      pollfd p{fd_, POLLIN | POLLOUT, 0};
      ::poll(&p, 1, -1);
    }
    return true;
  }
  static std::string framed(const std::string& payload) {
    unsigned sum = 0;
    for (const char c : payload) sum += static_cast<unsigned char>(c);
    char tail[4];
    std::snprintf(tail, sizeof tail, "#%02x", sum & 0xff);
    return "$" + payload + tail;
  }
  // The payload of the reply; empty also when there is none within some seconds.
  std::string ask(const std::string& payload) {
    send(framed(payload));
    std::string got;
    for (char c = 0; ::recv(fd_, &c, 1, 0) == 1;) {
      got.push_back(c);
      if (got.size() >= 3 && got[got.size() - 3] == '#') break;
    }
    const std::size_t begin = got.find('$');
    return begin == std::string::npos ? "" : got.substr(begin + 1, got.size() - begin - 4);
  }
  void drain() const {
    char chunk[4096];
    while (::recv(fd_, chunk, sizeof chunk, MSG_DONTWAIT) > 0) {
    }
  }

 private:
  int fd_;
};

TEST_P(GdbTest, AClientThatMisbehavesNeitherCrashesNorHangsTheGuest) {
  std::thread program = start({"--time-limit", "60"}, {"debuggee"});
  wait_for_socket();
  {
    Client client(socket());
    std::mt19937 random(1);  // the same every time
    const std::string kinds = "?gGpPmMXZzqQHTvcsCSDkRb!tiI\x03$#}+-*";
    for (int round = 0; round < 3000; ++round) {
      std::string payload(1, kinds[random() % 14]);  // those that do not resume
      for (auto n = random() % 24; n > 0; --n)
        payload.push_back(random() % 3 == 0 ? static_cast<char>(random()) : "0123456789abcdef,:;="[random() % 20]);
      client.send(random() % 4 == 0 ? payload : Client::framed(payload));
      client.drain();
    }
    EXPECT_TRUE(client.send("#00"));  // ends what may be half said
    client.drain();
    for (const char* name :
         {"m0,ffffffffffffffff", "mffffffffffffffff,10", "Z0,ffffffffffffffff,1", "Z2,0,0", "Z2,7fffffffe000,ffffffff",
          "qXfer:features:read:target.xml:ffffffffffffffff,1", "P3b=00", "Gzz", "vCont;r", "vFile:pread:3", "qRcmd,6"})
      client.ask(name);
    EXPECT_TRUE(client.send(Client::framed("D")));
  }
  program.join();
  EXPECT_EQ(program_.status, 6) << program_.err;
}

TEST_P(GdbTest, AClientThatVanishesLeavesTheGuestToItself) {
  std::thread program = start({"--time-limit", "60"}, {"debuggee"});
  wait_for_socket();
  {
    Client client(socket());
    EXPECT_THAT(client.ask("?"), testing::StartsWith("T05"));
  }
  program.join();
  EXPECT_EQ(program_.status, 6);
  EXPECT_THAT(program_.err, HasSubstr("gdb is gone"));
}

INSTANTIATE_TEST_SUITE_P(Backend, GdbTest, testing::Values("kvm", "hosted"),
                         [](const auto& backend) { return std::string(backend.param); });

TEST(GdbCliTest, PlacesThatAreRefused) {
  if (const auto why = why_no_guest(); !why.empty()) GTEST_SKIP() << why;
  for (const char* place : {"0.0.0.0:1234", "65536", "nowhere", "", "192.168.1.1:80", "/no/such/folder/socket"})
    expect_usage_error(faultline({"run", "--gdb", place, "--", guest_program("exit_status"), "0"}));
}

TEST(GdbCliTest, IntervalsPrintCounters) {
  if (const auto why = why_no_guest(); !why.empty()) GTEST_SKIP() << why;
  const auto text = faultline({"run", "--stats-interval", "200ms", "--time-limit", "1", "--", guest_program("spin")});
  EXPECT_EQ(text.status, 124);
  EXPECT_GE(std::count(text.err.begin(), text.err.end(), '\n'), 4) << text.err;
  EXPECT_THAT(text.err, HasSubstr(" s: per second "));

  const auto json = faultline({"run", "--stats-interval", "200ms", "--stats-format", "jsonl", "--time-limit", "1", "--",
                               guest_program("spin")});
  const auto first = nlohmann::json::parse(json.err.substr(0, json.err.find('\n')));
  EXPECT_EQ(first["version"], 1);
  EXPECT_EQ(first["type"], "counters");
  EXPECT_GE(first["interval_ns"], 200'000'000);
  EXPECT_GT(first["total"]["exits"], 0);
}

TEST(GdbCliTest, TheSummaryHasTheStatisticsOfKvm) {
  const ScratchFolder folder;
  const std::string file = folder.path() + "/statistics.json";
  for (const std::string backend : {"kvm", "hosted"}) {
    const auto result = faultline(
        {"run", "--backend", backend, "--stats", "--stats-json", file, "--", guest_program("exit_status"), "0"});
    if (result.status == 125) continue;
    std::ifstream in(file);
    const auto all = nlohmann::json::parse(in);
    EXPECT_EQ(all["version"], 1);
    const auto& j = all["kvm"];
    if (backend == "hosted") {
      EXPECT_THAT(j["vm"]["unavailable"], HasSubstr("not available"));
      EXPECT_THAT(result.err, HasSubstr("not available"));
    } else if (!j["vcpu"].contains("unavailable")) {  // before Linux 5.14
      EXPECT_GT(j["vcpu"]["exits"]["value"], 0);
      EXPECT_TRUE(j["vm"].contains("remote_tlb_flush"));
      EXPECT_THAT(result.err, HasSubstr("KVM of the vCPU"));
    }
  }
}

}  // namespace
}  // namespace faultline::test
