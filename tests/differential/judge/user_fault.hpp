// What the two sides are compared by: the page faults of user code, one after the other.
#pragma once

#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

namespace faultline::test {

struct UserFault {
  std::uint64_t address = 0;
  std::uint64_t ip = 0;
  std::uint64_t error = 0;  // as the hardware pushed it
  bool operator==(const UserFault&) const = default;
};

std::string to_string(const UserFault& fault);

// Processes in the order in which they came to be; of each, its faults in the order in which they happened.
// How the processes took turns is not part of it: that is the scheduler's affair.
using FaultHistory = std::vector<std::vector<UserFault>>;

// Empty when both are the same, otherwise where they part and what is around it.
std::string first_difference(const FaultHistory& native, const FaultHistory& guest);

}  // namespace faultline::test
