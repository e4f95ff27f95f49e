// What the views paint with, and times as they tell them. Internal to the views.
#pragma once

#include <cstdint>
#include <string>

#include "vmm/record/painter.hpp"

namespace faultline::vmm::inspect {

constexpr double micros(std::uint64_t ns) { return static_cast<double>(ns) / 1e3; }
constexpr double millis(std::uint64_t ns) { return static_cast<double>(ns) / 1e6; }
constexpr double seconds(std::uint64_t ns) { return static_cast<double>(ns) / 1e9; }

// "812 ns", "12.3 us", "4.56 ms", "1.234 s".
std::string duration_text(std::uint64_t ns);

}  // namespace faultline::vmm::inspect
