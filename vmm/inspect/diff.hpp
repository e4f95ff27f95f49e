// Two recordings compared: did the same happen, and what did it cost in each?
//
// What happened is, for each process by itself, the sequence of faults (address, error code, origin,
// path, outcome), system calls (number, arguments, result), signals and programs. How processes take
// turns, minor against major, process ids and times do not count, nor do results that are a time.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "vmm/inspect/rows.hpp"
#include "vmm/inspect/summary.hpp"
#include "vmm/record/format.hpp"
#include "vmm/recording/reader.hpp"

namespace faultline::vmm::inspect {

// Where one process stops doing the same in both.
struct Divergence {
  std::string process;       // "1" the first, "1.2" its second child
  std::uint64_t common = 0;  // events that were the same before
  // The first that differs; nothing: that recording has no more of this process.
  std::optional<recording::Event> a, b;
  std::optional<recording::Event> last_a, last_b;  // the one before, in both
};

struct Diff {
  static constexpr std::size_t kMaxDivergences = 64;     // described; more are counted
  static constexpr std::size_t kMaxPending = 4'000'000;  // events that one is ahead of the other

  recording::RunInfo info_a, info_b;
  Summary a, b;
  std::string problem_a, problem_b;     // Reader::problem()
  std::uint64_t compared = 0;           // events that were the same
  std::uint64_t differing = 0;          // processes that differ
  std::vector<Divergence> divergences;  // by the number of the event in A
  bool gave_up = false;                 // one was kMaxPending events ahead: not compared to the end

  [[nodiscard]] bool same() const { return differing == 0 && !gave_up; }
};

// Reads both to their ends.
Diff compare(recording::Reader& a, recording::Reader& b);

// `top`: rows of each table of costs, 0: all.
void append_diff_text(fmt::memory_buffer& out, const Diff& diff, std::size_t top, Colour colour);
// Rows of kinds "divergence", "guest", "exit", "path" and "syscall".
void append_diff_rows(RowWriter& rows, const Diff& diff);

}  // namespace faultline::vmm::inspect
