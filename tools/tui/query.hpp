// What a person types to narrow the list: words, each of which must hold. A kind ("fault"), several
// of which are one or the other; path=, vma=, outcome=, address=, time= and pid= with what the options
// of `faultline inspect` take; anything else is text that the event must contain, in any case.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "mmu/base/result.hpp"
#include "vmm/inspect/filter.hpp"
#include "vmm/recording/event.hpp"

namespace faultline::tui {

struct Query {
  std::uint32_t kinds = 0;  // bit n: kKinds[n]; 0: all
  vmm::inspect::Filter filter;
  std::vector<std::string> words;  // in small letters

  [[nodiscard]] bool any() const { return kinds != 0 || filter.any() || !words.empty(); }
  [[nodiscard]] bool matches(const vmm::recording::Event& event) const;
};

// Error: what is not understood.
Result<Query> parse_query(std::string_view text);

// ASCII letters made small.
std::string lower(std::string_view text);

}  // namespace faultline::tui
