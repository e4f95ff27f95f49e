#include "tools/tui/canvas.hpp"

#include <wchar.h>

#include <algorithm>

#include "vmm/record/printable.hpp"

namespace faultline::tui {

namespace {

constexpr int kMinWrap = 20;

struct Character {
  std::size_t bytes;
  int cells;
};

Character character_at(std::string_view text, std::size_t at) {
  const std::size_t n = std::max<std::size_t>(1, vmm::utf8_length(text, at));
  if (n == 1) return {1, 1};
  constexpr unsigned char kLeadBits[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
  auto code = static_cast<wchar_t>(static_cast<unsigned char>(text[at]) & kLeadBits[n]);
  for (std::size_t i = 1; i < n; ++i) code = (code << 6) | (static_cast<unsigned char>(text[at + i]) & 0x3f);
  const int cells = ::wcwidth(code);
  return {n, cells < 0 ? 1 : cells};  // unknown to the locale: shown as one '?'
}

// The longest beginning that fits and ends before a blank, when there is a blank at all.
std::string_view fitting_words(std::string_view text, int cells) {
  const std::string_view fits = clip(text, cells);
  if (fits.size() == text.size() || text[fits.size()] == ' ') return fits;
  const std::size_t blank = fits.find_last_of(' ');
  return blank == std::string_view::npos || blank == 0 ? fits : fits.substr(0, blank);
}

}  // namespace

int width(std::string_view text) {
  int cells = 0;
  for (std::size_t at = 0; at < text.size();) {
    const Character c = character_at(text, at);
    cells += c.cells;
    at += c.bytes;
  }
  return cells;
}

std::string_view clip(std::string_view text, int cells) {
  std::size_t at = 0;
  while (at < text.size()) {
    const Character c = character_at(text, at);
    if (c.cells > cells) break;
    cells -= c.cells;
    at += c.bytes;
  }
  return text.substr(0, at);
}

int width(const Line& line) {
  int cells = 0;
  for (const Span& span : line) cells += width(span.text);
  return cells;
}

std::vector<Line> wrap(const Line& line, int cells, int indent) {
  cells = std::max(cells, kMinWrap);
  indent = std::min(indent, cells / 2);
  std::vector<Line> lines(1);
  int left = cells;
  const auto next_line = [&] {
    lines.push_back({Span{std::string(static_cast<std::size_t>(indent), ' ')}});
    left = cells - indent;
  };
  for (const Span& span : line) {
    std::string_view rest = span.text;
    while (!rest.empty()) {
      std::string_view part = fitting_words(rest, left);
      // A word that would fit on a line of its own is not broken.
      const bool whole = part.size() == rest.size() || rest[part.size()] == ' ';
      const bool fresh = left == cells - indent || left == cells;
      if (part.empty() || (!whole && !fresh)) {
        next_line();
        if (const std::size_t word = rest.find_first_not_of(' '); word != std::string_view::npos)
          rest.remove_prefix(word);
        continue;
      }
      lines.back().push_back({std::string(part), span.style});
      left -= width(part);
      rest.remove_prefix(part.size());
      if (rest.empty()) break;
      next_line();
      rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
    }
  }
  return lines;
}

}  // namespace faultline::tui
