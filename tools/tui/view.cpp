#include "tools/tui/view.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "tools/tui/text.hpp"

namespace faultline::tui {

namespace {
constexpr int kWheelRows = 3;
constexpr std::size_t kMaxTyped = 200;
constexpr unsigned kBetweenQuestions = 64;  // events
constexpr char kControl = 0x1f;
constexpr char control(char c) { return static_cast<char>(c & kControl); }
}  // namespace

View::View(Events& events, std::string title, Query query)
    : events_(events), title_(std::move(title)), rows_(events), message_(events.problem()) {
  if (query.any()) narrow(std::move(query), "options");
}

void View::handle(const Input& input) {
  if (input.key == Key::kResize) return;
  if (help_) {
    help_ = false;
    return;
  }
  if (prompt_ != Prompt::kNone) return handle_prompt(input);
  message_.clear();
  switch (input.key) {
    case Key::kCharacter: return command(input.character);
    case Key::kTab: focus_ = focus_ == Pane::kList ? Pane::kDetail : Pane::kList; return;
    case Key::kEnter:
      if (!zoomed_) focus_ = Pane::kDetail;
      zoomed_ = !zoomed_;
      return;
    case Key::kEscape:
      search_.reset();
      zoomed_ = false;
      focus_ = Pane::kList;
      return;
    case Key::kClick:
    case Key::kWheelUp:
    case Key::kWheelDown: return mouse(input);
    default: return move(input);
  }
}

void View::command(char c) {
  const auto as = [&](Key key) { move({.key = key}); };
  switch (c) {
    case 'q': done_ = true; return;
    case '?':
    case 'h': help_ = true; return;
    case 'j': return as(Key::kDown);
    case 'k': return as(Key::kUp);
    case ' ':
    case control('f'): return as(Key::kPageDown);
    case control('b'): return as(Key::kPageUp);
    case 'g': return as(Key::kHome);
    case 'G': return as(Key::kEnd);
    case '/': return enter(Prompt::kSearch);
    case 'f': return enter(Prompt::kFilter);
    case ':': return enter(Prompt::kNumber);
    case 'n': return search(Direction::kForwards);
    case 'N': return search(Direction::kBackwards);
    case 'F': return toggle_faults();
    case 'c': return narrow({}, "");
    case 'z': zoomed_ = !zoomed_; return;
    default: message_ = "? shows the keys";
  }
}

void View::move(const Input& input) {
  const int page = std::max(1, (focus_ == Pane::kList ? layout_.list_rows : layout_.detail_rows) - 1);
  constexpr std::int64_t kAll = std::int64_t{1} << 62;
  switch (input.key) {
    case Key::kUp: return scroll(focus_, -1);
    case Key::kDown: return scroll(focus_, 1);
    case Key::kPageUp: return scroll(focus_, -page);
    case Key::kPageDown: return scroll(focus_, page);
    case Key::kHome: return scroll(focus_, -kAll);
    case Key::kEnd: return scroll(focus_, kAll);
    case Key::kLeft: focus_ = Pane::kList; return;
    case Key::kRight: focus_ = Pane::kDetail; return;
    default: return;
  }
}

// Moves the selection of the list, or the text of the detail pane.
void View::scroll(Pane pane, std::int64_t by) {
  const std::size_t count = pane == Pane::kList ? rows_.count() : detail_.size();
  if (count == 0) return;
  const auto at = static_cast<std::int64_t>(pane == Pane::kList ? selected_ : detail_top_line_);
  const auto moved =
      static_cast<std::size_t>(std::clamp<std::int64_t>(at + by, 0, static_cast<std::int64_t>(count) - 1));
  if (pane == Pane::kList) return select(moved);
  const std::size_t rows = static_cast<std::size_t>(std::max(1, layout_.detail_rows));
  detail_top_line_ = std::min(moved, count - std::min(count, rows));
}

void View::select(std::size_t row) {
  follow_.reset();
  if (row != selected_) detail_top_line_ = 0;
  selected_ = row;
}

void View::mouse(const Input& input) {
  const bool in_list = input.row >= layout_.list_top && input.row < layout_.list_top + layout_.list_rows;
  const bool in_detail = input.row >= layout_.detail_top && input.row < layout_.detail_top + layout_.detail_rows;
  if (!in_list && !in_detail) return;
  const Pane pane = in_list ? Pane::kList : Pane::kDetail;
  if (input.key == Key::kWheelUp) return scroll(pane, -kWheelRows);
  if (input.key == Key::kWheelDown) return scroll(pane, kWheelRows);
  focus_ = pane;
  const std::size_t row = top_ + static_cast<std::size_t>(input.row - layout_.list_top);
  if (in_list && row < rows_.count()) select(row);
}

void View::enter(Prompt prompt) {
  prompt_ = prompt;
  typed_ = prompt == Prompt::kFilter && filter_text_ != "options" ? filter_text_ : "";
}

void View::handle_prompt(const Input& input) {
  switch (input.key) {
    case Key::kEscape: prompt_ = Prompt::kNone; return;
    case Key::kEnter: return accept();
    case Key::kBackspace:
      if (typed_.empty()) {
        prompt_ = Prompt::kNone;
      } else {
        typed_.pop_back();
      }
      return;
    case Key::kCharacter:
      if (input.character == control('u')) typed_.clear();
      if (input.character >= ' ' && input.character < 0x7f && typed_.size() < kMaxTyped) typed_ += input.character;
      return;
    default: return;
  }
}

void View::accept() {
  const std::string text = std::exchange(typed_, {});
  message_.clear();
  switch (std::exchange(prompt_, Prompt::kNone)) {
    case Prompt::kSearch:
      if (!text.empty()) needle_ = lower(text);
      return search(Direction::kForwards);
    case Prompt::kFilter:
      if (auto query = parse_query(text)) {
        narrow(std::move(*query), text);
      } else {
        message_ = query.error().message;
      }
      return;
    case Prompt::kNumber: return go_to(text);
    case Prompt::kNone: return;
  }
}

void View::narrow(Query query, std::string text) {
  const std::uint64_t chosen = selected_ < rows_.count() ? rows_.number(selected_) : events_.first();
  filter_text_ = query.any() ? std::move(text) : "";
  rows_.narrow(std::move(query));
  search_.reset();
  follow_ = chosen;
  selected_ = top_ = detail_top_line_ = 0;
  follow_scan();
}

void View::toggle_faults() {
  if (filter_text_ == "fault") return narrow({}, "");
  Query faults;
  faults.kinds = 1U << (std::ranges::find(kKinds, "fault") - std::begin(kKinds));
  narrow(std::move(faults), "fault");
}

// The event that was chosen before stays so, or the next one that there is.
void View::follow_scan() {
  if (!follow_) return;
  const std::size_t row = rows_.find(*follow_);
  if (row < rows_.count()) {
    select(row);
  } else if (rows_.complete()) {
    select(rows_.count() == 0 ? 0 : rows_.count() - 1);
  }
}

void View::go_to(const std::string& text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) {
    message_ = text.empty() ? "" : text + ": not the number of an event";
    return;
  }
  follow_ = number;
  follow_scan();
}

void View::search(Direction direction) {
  if (needle_.empty()) {
    message_ = "nothing to search for yet: / asks";
    return;
  }
  search_ = Search{direction, selected_, 0};
}

bool View::work(const std::function<bool()>& keep_going) {
  const bool more = rows_.scan(keep_going);
  follow_scan();
  if (more) return true;
  return search_ && search_on(keep_going);
}

// From the row after the selected one, around the end, back to it.
bool View::search_on(const std::function<bool()>& keep_going) {
  Search& s = *search_;
  const std::size_t count = rows_.count();
  if (s.left == 0) s.left = count;
  for (unsigned n = 1; s.left != 0; ++n) {
    if (n % kBetweenQuestions == 0 && !keep_going()) return true;
    if (s.direction == Direction::kForwards) {
      s.row = s.row + 1 >= count ? 0 : s.row + 1;
    } else {
      s.row = s.row == 0 ? count - 1 : s.row - 1;
    }
    --s.left;
    const vmm::recording::Event* event = events_.at(rows_.number(s.row));
    if (event == nullptr || lower(search_text(*event)).find(needle_) == std::string::npos) continue;
    const bool around = s.direction == Direction::kForwards ? s.row < selected_ : s.row > selected_;
    if (s.row == selected_) message_ = "no other";
    if (around) message_ = "went around the end";
    select(s.row);
    search_.reset();
    return false;
  }
  message_ = "not found: " + needle_;
  search_.reset();
  return false;
}

}  // namespace faultline::tui
