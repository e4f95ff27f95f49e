// A small run made by hand: one process that maps memory, faults, calls and ends.
#pragma once

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "tests/unit/record/sample_records.hpp"
#include "vmm/recording/event.hpp"

namespace faultline::vmm::inspect {

using recording::Event;

inline Event sample_event(std::uint64_t number, std::uint64_t time_ns, recording::Body body,
                          std::uint32_t process = 100) {
  return {.number = number, .time_ns = time_ns, .process = process, .body = std::move(body)};
}

inline recording::Exit sample_exit(recording::ExitReason reason, std::uint64_t entered, std::uint64_t left,
                                   std::uint64_t qualification = 0) {
  recording::Exit e;
  e.reason = reason;
  e.qualification = qualification;
  e.entered_ns = entered;
  e.left_ns = left;
  e.rip = Gva(0x401000);
  e.raw.reason = 2;  // KVM_EXIT_IO
  return e;
}

inline recording::Fault sample_fault(FaultRecord record) {
  recording::Fault fault;
  record.process = 100;
  fault.all_edits.assign(record.edits.edits().begin(), record.edits.edits().end());
  fault.record = std::move(record);
  return fault;
}

// Of three kinds: page fault (1000 ns in the guest, then 4000 ns on the host), system call, end.
inline std::vector<Event> sample_run() {
  using recording::ExitReason;
  std::vector<Event> run;
  const auto add = [&run](std::uint64_t time_ns, recording::Body body) {
    run.push_back(sample_event(run.size() + 1, time_ns, std::move(body)));
  };
  add(0, recording::ProcessChange{.event = recording::ProcessEvent::kStart,
                                  .parent = 0,
                                  .root = Gpa(0x1000),
                                  .program = "/bin/p",
                                  .status = 0});
  add(2'000, sample_exit(ExitReason::kPageFault, 1'000, 2'000, 0x7fff12345678));
  add(2'100, sample_fault(anonymous_write()));
  add(9'000, sample_exit(ExitReason::kPageFault, 6'000, 9'000, 0x555555559ff8));
  add(9'100, sample_fault(copy_on_write()));
  add(15'000, sample_exit(ExitReason::kSyscall, 12'000, 15'000, 39));
  add(15'500,
      recording::Syscall{
          .number = 39, .arguments = {}, .result = 100, .started_ns = 15'100, .ended_ns = 15'500, .blocked = false});
  add(18'000, sample_exit(ExitReason::kPageFault, 16'000, 18'000, 0x123000));
  add(18'100, sample_fault(gather_segv()));
  add(18'500,
      recording::Signal{.number = 11, .code = 1, .address = Gva(0x123000), .action = recording::SignalAction::kKilled});
  add(19'000, recording::ProcessChange{
                  .event = recording::ProcessEvent::kExit, .parent = 0, .root = Gpa(), .program = "", .status = 139});
  add(20'000, recording::End{.reason = "exited", .status = 139});
  return run;
}

inline std::string text_of(const fmt::memory_buffer& out) { return fmt::to_string(out); }

inline std::vector<nlohmann::json> json_lines(const fmt::memory_buffer& out) {
  std::vector<nlohmann::json> lines;
  std::istringstream in(fmt::to_string(out));
  for (std::string line; std::getline(in, line);) lines.push_back(nlohmann::json::parse(line));
  return lines;
}

// Cells of each line; no cell of these tests holds a quoted newline.
inline std::vector<std::vector<std::string>> csv_lines(const fmt::memory_buffer& out) {
  std::vector<std::vector<std::string>> lines;
  std::istringstream in(fmt::to_string(out));
  for (std::string line; std::getline(in, line);) {
    std::vector<std::string> cells(1);
    bool quoted = false;
    for (const char c : line) {
      if (c == '"') {
        quoted = !quoted;
      } else if (c == ',' && !quoted) {
        cells.emplace_back();
      } else {
        cells.back() += c;
      }
    }
    lines.push_back(std::move(cells));
  }
  return lines;
}

}  // namespace faultline::vmm::inspect
