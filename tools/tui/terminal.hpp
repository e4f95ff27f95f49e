// The terminal of this process, through ncurses. While one of these lives the terminal belongs to
// it; afterwards, and when a signal kills the process, it is as it was.
#pragma once

#include <memory>
#include <optional>

#include "mmu/base/result.hpp"
#include "tools/tui/canvas.hpp"

struct screen;  // SCREEN of <curses.h>, whose macros stay out of here

namespace faultline::tui {

class Terminal final : public Canvas {
 public:
  // Error: standard input or output is no terminal, or one that terminfo does not know.
  static Result<std::unique_ptr<Terminal>> open();
  ~Terminal() override;
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  [[nodiscard]] Size size() const override;
  void clear() override;
  void put(int row, int column, std::string_view text, Style style) override;
  // What was drawn becomes visible.
  void show();

  // What the person did within so many milliseconds (-1: whenever), if anything.
  std::optional<Input> read(int timeout_ms);
  // Something waits to be read.
  [[nodiscard]] bool has_input();
  // The signal that asks the process to end, 0: none so far. Or the terminal is gone: SIGHUP.
  [[nodiscard]] int end_signal() const { return end_signal_; }

 private:
  Terminal() = default;
  void wait(int timeout_ms);
  void take_signal();
  [[nodiscard]] unsigned long attributes(Style style) const;

  ::screen* screen_ = nullptr;
  int signals_ = -1;  // signalfd of those that end the process
  int end_signal_ = 0;
  bool colours_ = false, utf8_ = false;
};

}  // namespace faultline::tui
