// Reads a recording, whole, torn or hostile: what is good up to the first bad frame is given, and
// problem() says what is wrong after it.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "mmu/base/result.hpp"
#include "vmm/recording/event.hpp"

namespace faultline::vmm::recording {

class Reader {
 public:
  // Error: no such file, not a recording, or of a version that is not known; one line that names
  // the file.
  static Result<std::unique_ptr<Reader>> open(const std::string& path);
  ~Reader();

  [[nodiscard]] const RunInfo& info() const;
  // The next event; nothing at the end, or where the file stops making sense.
  std::optional<Event> next();
  // Continues at event `number`, or the first one after it that is there.
  void seek(std::uint64_t number);
  // Numbers of the first and last event; 0: there is none.
  [[nodiscard]] std::uint64_t first() const;
  [[nodiscard]] std::uint64_t last() const;
  // Whether faults come with record.instruction and record.verdict [yes]; without, a pass over
  // many takes half the time. decode_instruction() makes them of Fault::input later. Returns what it
  // was set to before.
  bool decode_instructions(bool wanted);
  // Tells the events that make the latest state which the file holds as a whole, at or before
  // event `number`, and returns the number of the last event that it includes. Nothing: there is none.
  std::optional<std::uint64_t> keyframe(std::uint64_t number, const std::function<void(const Event&)>& tell);
  // Why the file ends early ("cut off after event 1234", "frame 7 at byte 4096: checksum does not
  // match"); empty: it is whole.
  [[nodiscard]] const std::string& problem() const;

 private:
  class Impl;
  explicit Reader(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace faultline::vmm::recording
