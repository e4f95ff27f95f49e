#include "tools/tui/rescue.hpp"

#define NCURSES_NOMACROS
#include <curses.h>
#include <signal.h>
#include <term.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace faultline::tui {

namespace {

constexpr std::array kDeadly = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL};

// A signal handler reaches nothing but what is static, and may call nothing but system calls.
struct Rescue {
  termios modes{};
  std::array<char, 256> bytes{};  // what makes the screen as it was
  std::size_t count = 0;
};
Rescue g_rescue;

void rescue(int signal) {
  // The return values are of no use: the process dies here.
  [[maybe_unused]] const auto written = ::write(STDOUT_FILENO, g_rescue.bytes.data(), g_rescue.count);
  ::tcsetattr(STDIN_FILENO, TCSANOW, &g_rescue.modes);
  ::raise(signal);  // SA_RESETHAND: this time it kills
}

void add(const char* capability) {
  if (capability == nullptr || capability == reinterpret_cast<const char*>(-1)) return;
  const std::size_t n = std::min(std::strlen(capability), g_rescue.bytes.size() - g_rescue.count);
  std::copy_n(capability, n, g_rescue.bytes.data() + g_rescue.count);
  g_rescue.count += n;
}

}  // namespace

void arm_rescue(const termios& modes) {
  g_rescue.modes = modes;
  g_rescue.count = 0;
  add("\x1b[?1000l\x1b[?1006l");  // mouse reports off, as XM of xterm has it
  for (const char* name : {"sgr0", "cnorm", "rmkx", "rmcup"}) add(::tigetstr(name));
  struct sigaction action {};
  action.sa_handler = rescue;
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  for (const int signal : kDeadly) ::sigaction(signal, &action, nullptr);
}

void disarm_rescue() {
  for (const int signal : kDeadly) ::signal(signal, SIG_DFL);
}

}  // namespace faultline::tui
