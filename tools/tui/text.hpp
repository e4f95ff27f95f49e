// Events in words: one line for the list, all that is known for the detail pane.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "mmu/arch/paging_mode.hpp"
#include "tools/tui/canvas.hpp"
#include "vmm/recording/event.hpp"

namespace faultline::tui {

// What each alternative of recording::Body is called, by its index: as inspect::kind_name() has it.
inline constexpr std::string_view kKinds[] = {"exit",  "fault",   "syscall", "signal",   "vma",
                                              "edits", "process", "switch",  "counters", "end"};
static_assert(std::size(kKinds) == std::variant_size_v<vmm::recording::Body>);
inline std::string_view kind(const vmm::recording::Event& event) { return kKinds[event.body.index()]; }

// What happened, without number, time, process and kind; of a fault first what tells it from others.
Line summary(const vmm::recording::Event& event);
// What a search looks at: the kind, and the event as the timeline of `faultline inspect` has it.
std::string search_text(const vmm::recording::Event& event);
// Everything, not wrapped. A fault's walk has a line for each level, the one that denied it marked.
std::vector<Line> detail(const vmm::recording::Event& event, mmu::PagingMode mode);

// "0.001234567"
std::string seconds(std::uint64_t nanoseconds);
// "1,234,567"
std::string grouped(std::uint64_t count);

}  // namespace faultline::tui
