// The terminal view of a recording: a list of events, the one chosen in full below it, a line to
// type in. It knows no terminal: it takes what a person does and draws on a Canvas. docs/tui.md.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "tools/tui/canvas.hpp"
#include "tools/tui/events.hpp"
#include "tools/tui/rows.hpp"

namespace faultline::tui {

class View {
 public:
  // `events` must outlive it. `title`: the name of the recording. `query`: what the list begins with.
  View(Events& events, std::string title, Query query = {});

  void handle(const Input& input);
  // Goes on with a scan or a search until `keep_going` says no. True: there is more to do.
  bool work(const std::function<bool()>& keep_going);
  void draw(Canvas& canvas);
  [[nodiscard]] bool done() const { return done_; }

 private:
  enum class Pane : std::uint8_t { kList, kDetail };
  enum class Prompt : std::uint8_t { kNone, kSearch, kFilter, kNumber };
  enum class Direction : std::int8_t { kForwards, kBackwards };

  struct Layout {
    Size size;
    int list_top = 0, list_rows = 0, detail_top = 0, detail_rows = 0;
    bool fits = false;
  };
  struct Search {
    Direction direction = Direction::kForwards;
    std::size_t row = 0;   // looked at next
    std::size_t left = 0;  // rows
  };

  // view.cpp: what a person does.
  void handle_prompt(const Input& input);
  void enter(Prompt prompt);
  void accept();
  void command(char c);
  void move(const Input& input);
  void mouse(const Input& input);
  void scroll(Pane pane, std::int64_t by);
  void select(std::size_t row);
  void narrow(Query query, std::string text);
  void toggle_faults();
  void go_to(const std::string& text);
  void search(Direction direction);
  bool search_on(const std::function<bool()>& keep_going);
  void follow_scan();

  // view_draw.cpp: what is seen of it.
  void arrange(Size size);
  void draw_header(Canvas& canvas);
  void draw_list(Canvas& canvas);
  void draw_row(Canvas& canvas, int row, std::uint64_t number, bool selected);
  void draw_detail(Canvas& canvas);
  void draw_help(Canvas& canvas);
  void draw_status(Canvas& canvas);
  void put_line(Canvas& canvas, int row, const Line& line, Style all);
  void put_bar(Canvas& canvas, int row, const std::string& left, const std::string& right, Style style);
  void load_detail();
  [[nodiscard]] std::string status() const;

  Events& events_;
  const std::string title_;
  Rows rows_;
  std::string filter_text_;              // of the query in force
  std::optional<std::uint64_t> follow_;  // the scan has not come to this event, which was chosen, yet
  std::size_t selected_ = 0, top_ = 0;   // rows
  Pane focus_ = Pane::kList;
  bool zoomed_ = false, help_ = false, done_ = false;

  Prompt prompt_ = Prompt::kNone;
  std::string typed_, needle_, message_;
  std::optional<Search> search_;

  Layout layout_{};
  std::vector<Line> detail_;         // wrapped
  std::uint64_t detail_number_ = 0;  // what detail_ is of; 0: nothing
  int detail_columns_ = 0;
  std::size_t detail_top_line_ = 0;
};

}  // namespace faultline::tui
