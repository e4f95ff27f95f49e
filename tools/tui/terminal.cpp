#include "tools/tui/terminal.hpp"

#define NCURSES_NOMACROS
#include <curses.h>
#include <langinfo.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <clocale>
#include <cstdlib>
#include <cstring>
#include <string>

#include "tools/tui/rescue.hpp"

namespace faultline::tui {

namespace {

constexpr int kEscapeDelayMs = 25;  // an Esc that nothing follows is the key
constexpr int kControlL = 0x0c;

sigset_t ending_signals() {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) ::sigaddset(&set, signal);
  return set;
}

std::optional<Input> of_key(int code) {
  const auto key = [](Key k) { return Input{.key = k}; };
  switch (code) {
    case KEY_UP: return key(Key::kUp);
    case KEY_DOWN: return key(Key::kDown);
    case KEY_LEFT: return key(Key::kLeft);
    case KEY_RIGHT: return key(Key::kRight);
    case KEY_PPAGE: return key(Key::kPageUp);
    case KEY_NPAGE: return key(Key::kPageDown);
    case KEY_HOME: return key(Key::kHome);
    case KEY_END: return key(Key::kEnd);
    case KEY_BACKSPACE:
    case '\b':
    case 0x7f: return key(Key::kBackspace);
    case KEY_ENTER:
    case '\r':
    case '\n': return key(Key::kEnter);
    case '\t': return key(Key::kTab);
    case 0x1b: return key(Key::kEscape);
    case KEY_RESIZE: return key(Key::kResize);
    default: break;
  }
  if (code > 0 && code < 0x7f) return Input{.key = Key::kCharacter, .character = static_cast<char>(code)};
  return std::nullopt;
}

std::optional<Input> of_mouse() {
  MEVENT event;
  if (::getmouse(&event) != OK) return std::nullopt;
  Input input{.row = event.y, .column = event.x};
  if ((event.bstate & BUTTON4_PRESSED) != 0) {
    input.key = Key::kWheelUp;
  } else if ((event.bstate & BUTTON5_PRESSED) != 0) {
    input.key = Key::kWheelDown;
  } else if ((event.bstate & (BUTTON1_PRESSED | BUTTON1_CLICKED)) != 0) {
    input.key = Key::kClick;
  } else {
    return std::nullopt;
  }
  return input;
}

bool colours_wanted() {
  const char* no = std::getenv("NO_COLOR");
  return no == nullptr || *no == '\0';
}

std::string ascii(std::string_view text) {
  std::string result;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte & 0xc0U) != 0x80U) result += byte < 0x80 ? c : '?';  // one '?' a character
  }
  return result;
}

}  // namespace

Result<std::unique_ptr<Terminal>> Terminal::open() {
  if (::isatty(STDOUT_FILENO) == 0) return fail("--tui needs a terminal, and standard output is none");
  if (::isatty(STDIN_FILENO) == 0) return fail("--tui needs a terminal, and standard input is none");
  std::setlocale(LC_CTYPE, "");
  std::unique_ptr<Terminal> t(new Terminal);
  t->utf8_ = std::strcmp(::nl_langinfo(CODESET), "UTF-8") == 0;

  const sigset_t ending = ending_signals();
  ::sigprocmask(SIG_BLOCK, &ending, nullptr);
  t->signals_ = ::signalfd(-1, &ending, SFD_CLOEXEC | SFD_NONBLOCK);
  termios modes{};
  ::tcgetattr(STDIN_FILENO, &modes);
  t->screen_ = ::newterm(nullptr, stdout, stdin);
  if (t->screen_ == nullptr) {
    const char* type = std::getenv("TERM");
    return fail("--tui: terminal type '" + std::string(type == nullptr ? "" : type) + "' (TERM) is not known here");
  }
  arm_rescue(modes);
  ::cbreak();
  ::noecho();
  ::curs_set(0);
  ::set_escdelay(kEscapeDelayMs);
  ::keypad(stdscr, TRUE);
  ::nodelay(stdscr, TRUE);
  ::mousemask(BUTTON1_PRESSED | BUTTON1_CLICKED | BUTTON4_PRESSED | BUTTON5_PRESSED, nullptr);
  ::mouseinterval(0);  // a press is a click, at once
  t->colours_ = colours_wanted() && ::has_colors() && ::start_color() == OK && ::use_default_colors() == OK;
  if (t->colours_) {
    constexpr short kColours[] = {COLOR_RED, COLOR_GREEN, COLOR_YELLOW, COLOR_CYAN};
    for (short n = 0; n < 4; ++n) ::init_pair(static_cast<short>(n + 1), kColours[n], -1);
  }
  return t;
}

Terminal::~Terminal() {
  if (screen_ != nullptr) {
    ::endwin();
    ::delscreen(screen_);
    disarm_rescue();
  }
  if (signals_ >= 0) ::close(signals_);
  const sigset_t ending = ending_signals();
  ::sigprocmask(SIG_UNBLOCK, &ending, nullptr);
}

Size Terminal::size() const { return {getmaxy(stdscr), getmaxx(stdscr)}; }

void Terminal::clear() { ::werase(stdscr); }

unsigned long Terminal::attributes(Style style) const {
  unsigned long bits = A_NORMAL;
  if (style.bold) bits |= A_BOLD;
  if (style.dim) bits |= A_DIM;
  if (style.reverse) bits |= A_REVERSE;
  if (colours_ && style.ink != Ink::kPlain) bits |= COLOR_PAIR(static_cast<unsigned long>(style.ink));
  return bits;
}

void Terminal::put(int row, int column, std::string_view text, Style style) {
  ::wattrset(stdscr, static_cast<int>(attributes(style)));
  ::wmove(stdscr, row, column);
  const std::string shown = utf8_ ? std::string(text) : ascii(text);
  // Writing the last cell of the screen cannot move the cursor on, which is an error of no interest.
  ::waddnstr(stdscr, shown.c_str(), -1);
}

void Terminal::show() { ::wrefresh(stdscr); }

void Terminal::take_signal() {
  signalfd_siginfo info{};
  if (::read(signals_, &info, sizeof info) == sizeof info) end_signal_ = static_cast<int>(info.ssi_signo);
}

void Terminal::wait(int timeout_ms) {
  pollfd watched[] = {{STDIN_FILENO, POLLIN, 0}, {signals_, POLLIN, 0}};
  if (::poll(watched, 2, timeout_ms) <= 0) return;  // interrupted: by SIGWINCH or SIGCONT
  if (watched[1].revents != 0) take_signal();
  if ((watched[0].revents & (POLLHUP | POLLERR | POLLNVAL)) != 0) end_signal_ = SIGHUP;
}

bool Terminal::has_input() {
  pollfd watched[] = {{STDIN_FILENO, POLLIN, 0}, {signals_, POLLIN, 0}};
  return ::poll(watched, 2, 0) != 0;
}

std::optional<Input> Terminal::read(int timeout_ms) {
  // What ncurses has read already no longer shows in the descriptor.
  int code = ::wgetch(stdscr);
  if (code == ERR) {
    wait(timeout_ms);
    if (end_signal_ != 0) return std::nullopt;
    code = ::wgetch(stdscr);
  }
  if (code == ERR) return std::nullopt;
  if (code == KEY_MOUSE) return of_mouse();
  if (code == kControlL) {
    ::clearok(stdscr, TRUE);
    return Input{.key = Key::kResize};
  }
  return of_key(code);
}

}  // namespace faultline::tui
