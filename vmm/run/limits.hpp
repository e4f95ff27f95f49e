// What stops a guest that does not stop by itself.
#pragma once

#include <chrono>
#include <cstdint>
#include <string_view>

namespace faultline::vmm {

struct RunLimits {
  std::chrono::nanoseconds time{0};  // wall clock; 0 = none
  std::uint64_t exits = 0;           // exits from the vCPU; 0 = none
  std::uint64_t storm = 10'000;      // same fault in a row with no progress; 0 = none
};

enum class LimitKind : std::uint8_t { kTime, kExits, kFaultStorm };

constexpr std::string_view name(LimitKind kind) {
  switch (kind) {
    case LimitKind::kTime: return "time limit";
    case LimitKind::kExits: return "exit limit";
    case LimitKind::kFaultStorm: return "fault storm";
  }
  return "?";
}

}  // namespace faultline::vmm
