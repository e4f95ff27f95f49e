// One event as one line, as one row, and in words.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>

#include "vmm/inspect/rows.hpp"
#include "vmm/record/format.hpp"
#include "vmm/recording/event.hpp"

namespace faultline::vmm::inspect {

// "exit", "fault", "syscall", "signal", "vma", "edits", "process", "switch", "counters", "end".
std::string_view kind_name(const recording::Body& body);
// What happened, without number, time, process and kind. Fit to be shown, one line.
std::string describe(const recording::Event& event);
// "KVM_EXIT_IO", on the hosted backend "SIGSEGV"; "reason 99" for what has no name.
std::string raw_exit_name(std::uint32_t reason, bool hosted);
// "openat"; "syscall_999" for what has no name.
std::string syscall_text(std::uint64_t number);
// "SIGSEGV"; "signal 99".
std::string signal_text(int signal);

// The names of the columns of append_line().
void append_heading(fmt::memory_buffer& out, Colour colour);
// A line of the timeline.
void append_line(fmt::memory_buffer& out, const recording::Event& event, Colour colour);
// A row of it; in JSON with everything the event holds.
void append_row(RowWriter& rows, const recording::Event& event);

}  // namespace faultline::vmm::inspect
