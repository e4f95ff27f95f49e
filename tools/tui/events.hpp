// Events of a recording by number, decoded when they are asked for.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "vmm/recording/reader.hpp"

namespace faultline::tui {

class Events {
 public:
  virtual ~Events() = default;
  [[nodiscard]] virtual const vmm::recording::RunInfo& info() const = 0;
  // Numbers of the first and the last; 0: there is none. All between them are there.
  [[nodiscard]] virtual std::uint64_t first() const = 0;
  [[nodiscard]] virtual std::uint64_t last() const = 0;
  // Why the recording ends early; empty: it is whole.
  [[nodiscard]] virtual const std::string& problem() const = 0;
  // Null when it cannot be read. Valid until the next call. A fault has no decoded instruction,
  // which is most of what reading one costs.
  virtual const vmm::recording::Event* at(std::uint64_t number) = 0;
  // The same with it.
  virtual const vmm::recording::Event* whole(std::uint64_t number) = 0;
};

// Those of a file. Reads runs of events and keeps the latest few, so that what is on the screen, and
// a scan in either direction, cost one decode an event.
class RecordedEvents final : public Events {
 public:
  explicit RecordedEvents(vmm::recording::Reader& reader) : reader_(reader) {}

  [[nodiscard]] const vmm::recording::RunInfo& info() const override { return reader_.info(); }
  [[nodiscard]] std::uint64_t first() const override { return reader_.first(); }
  [[nodiscard]] std::uint64_t last() const override { return reader_.last(); }
  [[nodiscard]] const std::string& problem() const override { return reader_.problem(); }
  const vmm::recording::Event* at(std::uint64_t number) override;
  const vmm::recording::Event* whole(std::uint64_t number) override;

 private:
  static constexpr std::uint64_t kRun = 256;
  static constexpr std::size_t kRuns = 16;
  struct Run {
    std::uint64_t start = 0;  // a multiple of kRun
    std::vector<vmm::recording::Event> events;
  };
  const Run& load(std::uint64_t start);

  vmm::recording::Reader& reader_;
  std::optional<std::uint64_t> next_;  // what the reader gives next, where that is known
  std::deque<Run> runs_;               // latest first
  std::optional<vmm::recording::Event> whole_;
};

}  // namespace faultline::tui
