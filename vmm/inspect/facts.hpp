// What of an event counts when two recordings are compared, as one number; and who its process is in
// a way that both recordings agree about. Internal to the comparison.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "vmm/recording/event.hpp"

namespace faultline::vmm::inspect {

class Facts {
 public:
  struct Fact {
    std::string process;  // "1", "1.2"
    std::uint64_t hash = 0;
  };
  // Every event of one recording, in order. Nothing: this event does not count.
  std::optional<Fact> of(const recording::Event& event);

 private:
  const std::string& process(std::uint32_t pid);

  std::map<std::uint32_t, std::string> names_;  // by process id
  std::map<std::string, unsigned> children_;    // of each, so far
  unsigned strangers_ = 0;                      // processes whose start was not recorded, and first ones
};

}  // namespace faultline::vmm::inspect
