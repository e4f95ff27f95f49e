// What each process of a recording is called: its program's file name, as far as it has been read.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "vmm/recording/event.hpp"

namespace faultline::vmm::exports {

class Programs {
 public:
  // Takes the event into account.
  void see(const recording::Event& event);
  // "busybox"; "?" while no start was seen, as in a ring that has lost it.
  [[nodiscard]] std::string_view name(std::uint32_t process) const;
  // All that were seen, by process id.
  [[nodiscard]] const std::map<std::uint32_t, std::string>& all() const { return names_; }

 private:
  std::map<std::uint32_t, std::string> names_;
};

}  // namespace faultline::vmm::exports
