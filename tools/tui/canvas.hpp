// What the terminal view draws on, and what a person does to it: a terminal, or a grid in a test.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace faultline::tui {

enum class Ink : std::uint8_t { kPlain, kRed, kGreen, kYellow, kCyan };

// Everything can be told without colours too: by its words, by bold and by reverse.
struct Style {
  Ink ink = Ink::kPlain;
  bool bold = false, dim = false, reverse = false;
  bool operator==(const Style&) const = default;
};

struct Span {
  std::string text;
  Style style = {};
};
using Line = std::vector<Span>;

struct Size {
  int rows = 0, columns = 0;
};

class Canvas {
 public:
  virtual ~Canvas() = default;
  [[nodiscard]] virtual Size size() const = 0;
  // Every cell a blank.
  virtual void clear() = 0;
  // Valid UTF-8 without control characters, that ends within the row.
  virtual void put(int row, int column, std::string_view text, Style style) = 0;
};

enum class Key : std::uint8_t {
  kCharacter,  // Input::character
  kUp,
  kDown,
  kLeft,
  kRight,
  kPageUp,
  kPageDown,
  kHome,
  kEnd,
  kTab,
  kEnter,
  kEscape,
  kBackspace,
  kResize,
  kClick,  // Input::row and column, as of the two below
  kWheelUp,
  kWheelDown,
};

struct Input {
  Key key = Key::kCharacter;
  char character = 0;  // ASCII
  int row = 0, column = 0;
};

// Cells that the text takes. `text` is valid UTF-8.
int width(std::string_view text);
// The longest beginning that fits in so many cells.
std::string_view clip(std::string_view text, int cells);
int width(const Line& line);
// The same text over several lines of at most so many cells (at least 20), broken at blanks where
// there are any; every line after the first begins with `indent` blanks.
std::vector<Line> wrap(const Line& line, int cells, int indent);

}  // namespace faultline::tui
