// `faultline inspect --tui` in a real terminal emulator: tmux types, and tells what is on the screen.
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

#include "tests/cli/recorded.hpp"

namespace faultline::test {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr const char* kTmux = "/usr/bin/tmux";

class TuiTest : public testing::Test {
 protected:
  void SetUp() override {
    if (::access(kTmux, X_OK) != 0) GTEST_SKIP() << "tmux is not installed (tools/deps installs it)";
    if (recording_of_a_fork().empty()) GTEST_SKIP() << why_no_guest();
  }
  void TearDown() override { tmux({"kill-server"}); }

  ProcessResult tmux(const std::vector<std::string>& arguments) const {
    ProcessRequest request;
    request.argv = {kTmux, "-S", folder_.path() + "/socket" + std::to_string(servers_), "-f", "/dev/null"};
    request.argv.insert(request.argv.end(), arguments.begin(), arguments.end());
    request.environment.push_back("SHELL=/bin/sh");
    return run_process(request);
  }
  // The view in a shell that says what became of it, and of the modes of the terminal.
  void start(const std::string& environment = "", const std::string& options = "") {
    const std::string script = "cd " + folder_.path() + "; stty -g >before; env TERM=xterm-256color LANG=C.UTF-8 " +
                               environment + " " + FAULTLINE_CLI + " inspect --tui " + options + " " +
                               recording_of_a_fork() + "; echo status $?; stty -g >after; echo done; exec sleep 600";
    ++servers_;
    const auto started = tmux({"new-session", "-d", "-x", "80", "-y", "24", script});
    ASSERT_EQ(started.status, 0) << started.err;
    ASSERT_TRUE(see("? help")) << screen();
  }
  [[nodiscard]] std::string screen(bool attributes = false) const {
    return tmux(attributes ? std::vector<std::string>{"capture-pane", "-p", "-e"}
                           : std::vector<std::string>{"capture-pane", "-p"})
        .out;
  }
  // Waits until the screen has the text.
  [[nodiscard]] bool see(const std::string& text) const {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (std::chrono::steady_clock::now() < until) {
      if (screen().find(text) != std::string::npos) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    return false;
  }
  void keys(const std::vector<std::string>& names) const {
    std::vector<std::string> arguments = {"send-keys"};
    arguments.insert(arguments.end(), names.begin(), names.end());
    tmux(arguments);
  }
  void type(const std::string& text) const { tmux({"send-keys", "-l", text}); }
  [[nodiscard]] std::string file(const std::string& name) const {
    std::ifstream stream(folder_.path() + "/" + name);
    return {std::istreambuf_iterator<char>(stream), {}};
  }
  void expect_restored(const std::string& status) const {
    ASSERT_TRUE(see("done")) << screen();
    EXPECT_THAT(screen(), HasSubstr(status));
    EXPECT_THAT(screen(), Not(HasSubstr("seconds")));  // the other screen
    EXPECT_NE(file("before"), "");
    EXPECT_EQ(file("after"), file("before"));
  }

  ScratchFolder folder_;
  int servers_ = 0;  // one that was killed may still have its socket
};

TEST_F(TuiTest, ListsFiltersSearchesAndQuits) {
  start();
  EXPECT_TRUE(see("process")) << screen();
  type("F");
  EXPECT_TRUE(see("filter: fault")) << screen();
  EXPECT_TRUE(see("=> ")) << screen();
  EXPECT_TRUE(see(" denies")) << screen();
  type("c/exit_group");
  keys({"Enter"});
  EXPECT_TRUE(see("reason    syscall")) << screen();
  keys({"PageUp", "Up"});
  type("g");
  EXPECT_TRUE(see("event 1 ")) << screen();
  type("?");
  EXPECT_TRUE(see("search; next, previous")) << screen();
  type("xq");
  expect_restored("status 0");
}

TEST_F(TuiTest, FollowsTheMouseAndTheSizeOfTheTerminal) {
  start();
  type("\x1b[<0;10;6M\x1b[<0;10;6m");
  EXPECT_TRUE(see("event 4 ")) << screen();
  type("\x1b[<65;10;4M");
  EXPECT_TRUE(see("event 7 ")) << screen();
  tmux({"resize-window", "-x", "120", "-y", "40"});
  const auto line_of = [&](const std::string& text) {
    const std::string all = screen();
    return std::count(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(std::min(all.find(text), all.size())),
                      '\n');
  };
  for (int n = 0; n < 100 && line_of("? help") != 39; ++n) std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_EQ(line_of("? help"), 39) << screen();
  tmux({"resize-window", "-x", "30", "-y", "8"});
  EXPECT_TRUE(see("too small")) << screen();
  tmux({"resize-window", "-x", "80", "-y", "24"});
  EXPECT_TRUE(see("event 7 ")) << screen();
}

TEST_F(TuiTest, ColoursUnlessNoColor) {
  start();
  type("F");
  EXPECT_TRUE(see("minor"));
  EXPECT_THAT(screen(true), testing::ContainsRegex("\x1b\\[[0-9;]*3[1236]m"));
  tmux({"kill-server"});
  start("NO_COLOR=1");
  type("F");
  EXPECT_TRUE(see("minor"));
  EXPECT_THAT(screen(true), Not(testing::ContainsRegex("\x1b\\[[0-9;]*3[0-7]m")));
}

TEST_F(TuiTest, GivesTheTerminalBackWhenASignalEndsIt) {
  for (const auto& [name, status] : {std::pair{"TERM", "status 143"}, {"HUP", "status 129"}, {"ABRT", "status 134"}}) {
    start();
    const auto pane = tmux({"display-message", "-p", "#{pane_pid}"}).out;
    run_process({.argv = {"/usr/bin/pkill", std::string("-") + name, "-P", pane.substr(0, pane.find('\n'))}});
    expect_restored(status);
    tmux({"kill-server"});
  }
}

TEST_F(TuiTest, ControlCQuitsLikeAnyProgram) {
  start();
  keys({"C-c"});
  // The shell of the pane gets the signal as well, and ends with the command that it waited for.
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (tmux({"has-session"}).status == 0 && std::chrono::steady_clock::now() < until)
    if (screen().find("? help") == std::string::npos) break;
  EXPECT_THAT(screen(), Not(HasSubstr("? help")));
}

TEST_F(TuiTest, BeginsWithTheFiltersOfTheCommandLine) {
  start("", "--outcome minor");
  EXPECT_TRUE(see("(fault)")) << screen();
  EXPECT_THAT(screen(), Not(HasSubstr("exit ")));
}

TEST(TuiWithoutTerminalTest, IsOneLineAndAUsageError) {
  if (recording_of_a_fork().empty()) GTEST_SKIP() << why_no_guest();
  const auto result = faultline({"inspect", "--tui", recording_of_a_fork()});
  EXPECT_EQ(result.status, 2);
  expect_one_line(result);
  EXPECT_THAT(result.err, HasSubstr("terminal"));
}

}  // namespace
}  // namespace faultline::test
