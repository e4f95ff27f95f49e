// Faults in a list, and one fault or exit in full.
#pragma once

#include <fmt/format.h>

#include <array>
#include <span>
#include <string_view>
#include <vector>

#include "vmm/inspect/rows.hpp"
#include "vmm/record/format.hpp"
#include "vmm/recording/event.hpp"

namespace faultline::vmm::inspect {

// In the order of UserRegs::gpr.
inline constexpr std::array<std::string_view, 16> kRegisterNames = {
    "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"};

// The names of the columns of append_fault_line().
void append_fault_heading(fmt::memory_buffer& out, Colour colour);
// One line. Precondition of all three: the event is a fault.
void append_fault_line(fmt::memory_buffer& out, const recording::Event& event, Colour colour);
void append_fault_row(RowWriter& rows, const recording::Event& event);
// The fault in full: its record, and every entry that changed.
void append_fault_detail(fmt::memory_buffer& out, const recording::Event& event, Colour colour);
// The same as one object: event, time_ns, ended_ns, record (docs/fault-record.md), all_edits.
void append_fault_object(fmt::memory_buffer& out, const recording::Event& event);

// An exit in full, and the events up to the next one. Precondition: `event` is an exit.
struct ExitDetail {
  recording::Event event;
  std::vector<recording::Event> consequences;
  bool hosted = false;        // its raw reason is a signal, not a KVM_EXIT_*
  std::uint64_t host_ns = 0;  // until the vCPU was entered again; 0: it was not
};
void append_exit_detail(fmt::memory_buffer& out, const ExitDetail& exit, Colour colour);
void append_exit_rows(RowWriter& rows, const ExitDetail& exit);

// "edits": [{address, level, slot, before, after}, ...], as in a fault record.
void write_edits(JsonWriter& w, std::span<const mmu::PteEdit> edits);

}  // namespace faultline::vmm::inspect
