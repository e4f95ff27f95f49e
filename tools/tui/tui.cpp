#include "tools/tui/tui.hpp"

#include <signal.h>

#include <chrono>

#include "tools/complain.hpp"
#include "tools/tui/terminal.hpp"
#include "tools/tui/view.hpp"
#include "vmm/run/exit_status.hpp"

namespace faultline::tui {

namespace {

using Clock = std::chrono::steady_clock;

// What is found in the background shows so often.
constexpr std::chrono::milliseconds kSlice{40};

// Returns the signal that ended it, 0 when the person did.
int run(View& view, Terminal& terminal) {
  while (!view.done() && terminal.end_signal() == 0) {
    const auto until = Clock::now() + kSlice;
    const bool more = view.work([&] { return Clock::now() < until && !terminal.has_input(); });
    view.draw(terminal);
    terminal.show();
    // All that was typed meanwhile counts before it is drawn again.
    for (auto input = terminal.read(more ? 0 : -1); input && !view.done(); input = terminal.read(0))
      view.handle(*input);
  }
  return terminal.end_signal();
}

}  // namespace

int show_recording(vmm::recording::Reader& reader, const std::string& file, const vmm::inspect::Filter& filter) {
  int signal = 0;
  {
    auto terminal = Terminal::open();
    if (!terminal) {
      tools::complain(terminal.error().message);
      return vmm::kExitUsage;
    }
    RecordedEvents events(reader);
    Query query;
    query.filter = filter;
    View view(events, file, std::move(query));
    signal = run(view, **terminal);
  }
  if (signal != 0) {
    ::signal(signal, SIG_DFL);
    ::raise(signal);
  }
  return 0;
}

}  // namespace faultline::tui
