// Which events somebody wants to see. Every part that is set must hold; an event that has nothing to
// do with a part (a system call has no VMA) does not match it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "vmm/recording/event.hpp"

namespace faultline::vmm::inspect {

// From `start` up to and without `end`. Raw numbers: 2^64 - 1 as the end takes the last byte in.
struct AddressRange {
  std::uint64_t start = 0, end = 0;
  [[nodiscard]] bool contains(Gva address) const { return address.raw() >= start && address.raw() < end; }
  [[nodiscard]] bool overlaps(Gva from, Gva to) const { return from.raw() < end && to.raw() > start; }
};

// Both ends belong to it. Nanoseconds since the recording began.
struct TimeRange {
  std::uint64_t from = 0, to = ~0ULL;
  [[nodiscard]] bool contains(std::uint64_t ns) const { return ns >= from && ns <= to; }
};

// How a fault ended; with a signal number, only by that signal.
struct Outcome {
  FaultEnd end = FaultEnd::kMinor;
  int signal = 0;  // 0: any
};

struct Filter {
  std::optional<AddressRange> addresses;
  std::string vma;                    // a part of the VMA's name as vma_name() shows it; empty: any
  std::vector<mmu::FaultStep> steps;  // the path has one of these; empty: any path
  std::optional<Outcome> outcome;
  std::optional<std::uint32_t> process;
  std::optional<TimeRange> time;

  // Something is asked for.
  [[nodiscard]] bool any() const;
  // Something that faults alone have is asked for.
  [[nodiscard]] bool faults_only() const { return !steps.empty() || outcome.has_value(); }
  [[nodiscard]] bool matches(const recording::Event& event) const;
  // Of what has addresses alone: something in [start, end) is asked for.
  [[nodiscard]] bool wants(Gva start, Gva end) const { return !addresses || addresses->overlaps(start, end); }
};

// The step of this name ("wp_page_copy"); nothing when there is none.
std::optional<mmu::FaultStep> find_step(std::string_view name);
// "minor", "major", "signal", "efault", or a signal's name.
std::optional<Outcome> find_outcome(std::string_view name);

// "[heap]", "/bin/busybox"; "(anonymous)" for a VMA without a name, "(none)" where there is no VMA.
// Fit to be shown.
std::string vma_name(const std::optional<VmaInfo>& vma);
// "lock_vma_under_rcu > do_anonymous_page"; "(none)" for a path without a step.
std::string path_name(const mmu::FaultPath& path);
// "minor", "major", "efault", "SIGSEGV" ("signal 99" for a number without a name).
std::string outcome_name(const FaultRecord& record);

}  // namespace faultline::vmm::inspect
