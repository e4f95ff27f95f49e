// Which mistake is on; compiled into the copies of mmu's sources that plant.cpp makes.
#pragma once

#include <cstddef>

namespace faultline::test {

inline constexpr std::size_t kNoMistake = ~std::size_t{0};
extern std::size_t planted_now;  // its number in kMistakes
[[nodiscard]] inline bool planted(std::size_t mistake) { return planted_now == mistake; }

// Whether the text of a mistake was there, once, when the copies were made.
[[nodiscard]] bool is_planted(std::size_t mistake);

}  // namespace faultline::test
