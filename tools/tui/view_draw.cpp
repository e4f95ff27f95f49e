#include <fmt/format.h>

#include <algorithm>

#include "tools/tui/text.hpp"
#include "tools/tui/view.hpp"
#include "vmm/record/printable.hpp"

namespace faultline::tui {

namespace {

constexpr Size kSmallest{10, 40};
constexpr int kDetailIndent = 12;
constexpr Style kBar{.reverse = true};
constexpr Style kTitle{.bold = true};

constexpr std::string_view kHelp[] = {
    "j k  Up Down          one row, or one line of the detail pane",
    "PgUp PgDn  Space      one page",
    "g G  Home End         first, last",
    "Tab  Left Right       list or detail pane",
    "Enter z               the pane that has the focus takes all; again: both",
    "/  n N                search; next, previous",
    "f                     filter, e.g.  fault path=wp_page_copy vma=heap",
    "                      kinds: exit fault syscall signal vma edits process switch counters end",
    "                      pid= vma= path= outcome= address= time=  or any text",
    "F  c                  faults only; no filter",
    ":                     to the event of this number",
    "Esc                   back to the list; ends a search",
    "mouse                 click: choose; wheel: scroll",
    "?  q                  this help; quit",
};

std::string column_titles(int number_width) {
  return fmt::format("{:>{}} {:>11} {:>6} {:<9}{}", "event", number_width, "seconds", "pid", "kind", "what");
}

int number_width(std::uint64_t last) { return std::max(6, static_cast<int>(fmt::formatted_size("{}", last))); }

}  // namespace

void View::arrange(Size size) {
  layout_ = {.size = size};
  layout_.fits = size.rows >= kSmallest.rows && size.columns >= kSmallest.columns;
  if (!layout_.fits) return;
  const int body = size.rows - 2;  // between header and status
  const bool list = !zoomed_ || focus_ == Pane::kList, detail = !zoomed_ || focus_ == Pane::kDetail;
  // Each pane has a title of one row.
  const int list_part = !list ? 0 : !detail ? body : body * 2 / 5;
  layout_.list_top = 2;
  layout_.list_rows = std::max(0, list_part - 1);
  layout_.detail_top = 1 + list_part + 1;
  layout_.detail_rows = std::max(0, body - list_part - 1);

  const auto rows = static_cast<std::size_t>(layout_.list_rows);
  if (rows == 0) return;
  if (selected_ < top_) top_ = selected_;
  if (selected_ >= top_ + rows) top_ = selected_ - rows + 1;
  // No blank rows at the end while there are more before.
  if (top_ + rows > rows_.count()) top_ = rows_.count() - std::min(rows_.count(), rows);
}

void View::draw(Canvas& canvas) {
  canvas.clear();
  arrange(canvas.size());
  if (!layout_.fits) {
    canvas.put(0, 0, clip("too small: 40x10 at least", layout_.size.columns), {});
    return;
  }
  draw_header(canvas);
  if (help_) {
    draw_help(canvas);
  } else {
    if (layout_.list_rows != 0) draw_list(canvas);
    if (layout_.detail_rows != 0) draw_detail(canvas);
  }
  draw_status(canvas);
}

void View::put_line(Canvas& canvas, int row, const Line& line, Style all) {
  int column = 0;
  for (const Span& span : line) {
    const std::string_view part = clip(span.text, layout_.size.columns - column);
    Style style = span.style;
    style.bold = style.bold || all.bold;
    style.reverse = style.reverse || all.reverse;
    canvas.put(row, column, part, style);
    column += width(part);
    if (part.size() < span.text.size()) break;
  }
  if (all.reverse && column < layout_.size.columns)
    canvas.put(row, column, std::string(static_cast<std::size_t>(layout_.size.columns - column), ' '), all);
}

// `right` gives way where both do not fit.
void View::put_bar(Canvas& canvas, int row, const std::string& left, const std::string& right, Style style) {
  const int columns = layout_.size.columns;
  std::string text(clip(left, columns));
  if (const int blanks = columns - width(text) - width(right); blanks > 0)
    text += std::string(static_cast<std::size_t>(blanks), ' ') + right;
  put_line(canvas, row, {{std::move(text)}}, style);
}

void View::draw_header(Canvas& canvas) {
  const auto& info = events_.info();
  const std::string left = fmt::format(" {}  {}  Linux {}", vmm::printable(title_), vmm::printable(info.backend),
                                       vmm::printable(info.linux_behaviour));
  const std::uint64_t all = events_.last() == 0 ? 0 : events_.last() - events_.first() + 1;
  put_bar(canvas, 0, left, fmt::format("{} event{} ", grouped(all), all == 1 ? "" : "s"), kBar);
}

void View::draw_list(Canvas& canvas) {
  const Style title{.bold = true, .reverse = focus_ == Pane::kList};
  std::string shown = fmt::format("{} of {} ", grouped(std::min(selected_ + 1, rows_.count())), grouped(rows_.count()));
  if (!rows_.complete()) shown = fmt::format("{} %  {}", rows_.progress(), shown);
  put_bar(canvas, layout_.list_top - 1, column_titles(number_width(events_.last())), shown, title);
  if (rows_.count() == 0) {
    const char* why = !rows_.complete()  ? " looking for events ..."
                      : rows_.narrowed() ? " nothing passes the filter: c shows all"
                                         : " no events";
    canvas.put(layout_.list_top, 0, clip(why, layout_.size.columns), {});
    return;
  }
  for (int n = 0; n < layout_.list_rows; ++n) {
    const std::size_t row = top_ + static_cast<std::size_t>(n);
    if (row >= rows_.count()) break;
    draw_row(canvas, layout_.list_top + n, rows_.number(row), row == selected_);
  }
}

void View::draw_row(Canvas& canvas, int row, std::uint64_t number, bool selected) {
  const vmm::recording::Event* event = events_.at(number);
  const int digits = number_width(events_.last());
  Line line;
  if (event == nullptr) {
    line.push_back({fmt::format("{:>{}}  cannot be read", number, digits), {Ink::kRed}});
  } else {
    constexpr std::uint64_t kMicro = 1000, kSecond = 1'000'000;
    const std::uint64_t micros = event->time_ns / kMicro;
    line.push_back({fmt::format("{:>{}} {:>4}.{:06} {:>6} {:<9}", number, digits, micros / kSecond, micros % kSecond,
                                event->process, kind(*event))});
    for (Span& span : summary(*event)) line.push_back(std::move(span));
  }
  put_line(canvas, row, line, {.reverse = selected});
}

void View::load_detail() {
  const std::uint64_t number = selected_ < rows_.count() ? rows_.number(selected_) : 0;
  if (number == detail_number_ && layout_.size.columns == detail_columns_) return;
  detail_.clear();
  detail_number_ = number;
  detail_columns_ = layout_.size.columns;
  const vmm::recording::Event* event = number == 0 ? nullptr : events_.whole(number);
  if (event == nullptr) return;
  for (const Line& line : detail(*event, events_.info().mode))
    for (Line& part : wrap(line, layout_.size.columns - 1, kDetailIndent)) detail_.push_back(std::move(part));
}

void View::draw_detail(Canvas& canvas) {
  load_detail();
  const auto rows = static_cast<std::size_t>(layout_.detail_rows);
  detail_top_line_ = std::min(detail_top_line_, detail_.size() - std::min(detail_.size(), rows));
  const std::size_t until = std::min(detail_.size(), detail_top_line_ + rows);
  // The first line of the text is the title of the pane.
  const std::string more = detail_.size() <= rows    ? ""
                           : until == detail_.size() ? "end "
                                                     : fmt::format("{} more line{} ", detail_.size() - until,
                                                                   detail_.size() - until == 1 ? "" : "s");
  put_bar(canvas, layout_.detail_top - 1, fmt::format("{:-<{}}", "", layout_.size.columns - width(more) - 1), more,
          {.bold = true, .reverse = focus_ == Pane::kDetail});
  for (std::size_t n = detail_top_line_; n < until; ++n)
    put_line(canvas, layout_.detail_top + static_cast<int>(n - detail_top_line_), detail_[n], {});
}

void View::draw_help(Canvas& canvas) {
  int row = 1;
  put_line(canvas, row++, {{" Keys; any of them ends this help", kTitle}}, {});
  for (const std::string_view line : kHelp) {
    if (row >= layout_.size.rows - 1) break;
    put_line(canvas, row++, {{"  " + std::string(line)}}, {});
  }
}

std::string View::status() const {
  if (search_) return fmt::format(" searching for {} ...  Esc ends it", needle_);
  if (!message_.empty()) return " " + vmm::printable(message_);
  if (!filter_text_.empty()) return fmt::format(" filter: {}   c no filter  ? help  q quit", filter_text_);
  return " ? help  / search  f filter  F faults  Tab pane  Enter zoom  q quit";
}

void View::draw_status(Canvas& canvas) {
  const int row = layout_.size.rows - 1;
  const auto ask = [&](std::string_view question) {
    // The end of what was typed stays in sight.
    const int room = layout_.size.columns - width(question) - 1;
    const auto from = typed_.size() - std::min(typed_.size(), static_cast<std::size_t>(std::max(1, room)));
    put_line(canvas, row, {{std::string(question), kTitle}, {typed_.substr(from)}, {" ", kBar}}, {});
  };
  switch (prompt_) {
    case Prompt::kSearch: return ask("/");
    case Prompt::kFilter: return ask("filter: ");
    case Prompt::kNumber: return ask("event: ");
    case Prompt::kNone: break;
  }
  put_bar(canvas, row, status(), "", kBar);
}

}  // namespace faultline::tui
