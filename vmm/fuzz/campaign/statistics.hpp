// A campaign's figures as JSON: what one session adds to those of all before.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "mmu/base/result.hpp"
#include "vmm/fuzz/campaign/tally.hpp"
#include "vmm/fuzz/coverage.hpp"

namespace faultline::vmm::fuzz {

// What the numbers of Figures belong to.
struct FigureNames {
  std::vector<std::string> judges, rules;
};

// The text of stats.json after `add` (figures since the last time; `seconds`: of wall time) on top of
// `before` (empty: there is none). `sessions`: 1 the first time, else 0. Error: `before` is damaged; names `file` and
// byte.
Result<std::string> add_statistics(std::string_view before, const std::string& file, const Figures& add,
                                   const FigureNames& names, double seconds, unsigned sessions,
                                   const Coverage& coverage);
// How many sessions they are of.
[[nodiscard]] unsigned sessions_of(std::string_view text);
// Nothing, or why the text cannot be statistics.
Result<void> check_statistics(std::string_view text, const std::string& file);
// `a` since `b`.
[[nodiscard]] Figures operator-(const Figures& a, const Figures& b);

}  // namespace faultline::vmm::fuzz
