// The summary as text, and as rows.
#pragma once

#include <fmt/format.h>

#include <string_view>

#include "vmm/inspect/rows.hpp"
#include "vmm/inspect/summary.hpp"
#include "vmm/record/format.hpp"

namespace faultline::vmm::inspect {

// The backend is one of KVM's: its raw exits are KVM_EXIT_*, not signals.
[[nodiscard]] inline bool is_hosted(const recording::RunInfo& info) { return !info.backend.starts_with("kvm"); }
// "busybox sha256sum FILE", fit to be shown.
std::string command_text(const recording::RunInfo& info);
// "2026-11-21 01:02:03 UTC"
std::string start_text(const recording::RunInfo& info);

// `top`: rows of the table of system calls, most time first; 0: all.
void append_summary_text(fmt::memory_buffer& out, const recording::RunInfo& info, const Summary& summary,
                         std::size_t top, Colour colour);
// Rows of costs and counts; in JSON preceded by an object about the recording and one for each process.
void append_summary_rows(fmt::memory_buffer& out, RowFormat format, const recording::RunInfo& info,
                         const Summary& summary);

}  // namespace faultline::vmm::inspect
