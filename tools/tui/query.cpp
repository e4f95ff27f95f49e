#include "tools/tui/query.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <sstream>

#include "tools/filter_options.hpp"
#include "tools/tui/text.hpp"

namespace faultline::tui {

namespace {

bool take_pid(std::string_view value, vmm::inspect::Filter& filter) {
  std::uint32_t pid = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), pid);
  if (error != std::errc() || end != value.data() + value.size()) return false;
  filter.process = pid;
  return true;
}

// Sets one part of the filter. False: the value means nothing.
bool take(std::string_view key, std::string_view value, vmm::inspect::Filter& filter) {
  if (key == "pid" || key == "process") return take_pid(value, filter);
  if (key == "vma") return !(filter.vma = value).empty();
  if (key == "outcome") return (filter.outcome = vmm::inspect::find_outcome(value)).has_value();
  if (key == "address") return (filter.addresses = tools::parse_address_range(value)).has_value();
  if (key == "time") return (filter.time = tools::parse_time_range(value)).has_value();
  const auto step = vmm::inspect::find_step(value);
  if (step) filter.steps.push_back(*step);
  return step.has_value();
}

constexpr std::string_view kKeys[] = {"pid", "process", "vma", "outcome", "address", "time", "path"};

}  // namespace

bool Query::matches(const vmm::recording::Event& event) const {
  if (kinds != 0 && (kinds >> event.body.index() & 1U) == 0) return false;
  if (filter.any() && !filter.matches(event)) return false;
  if (words.empty()) return true;
  const std::string text = lower(search_text(event));
  return std::ranges::all_of(words, [&](const std::string& word) { return text.find(word) != std::string::npos; });
}

Result<Query> parse_query(std::string_view text) {
  Query query;
  std::istringstream words{std::string(text)};
  for (std::string word; words >> word;) {
    const auto known = std::ranges::find(kKinds, lower(word));
    const std::size_t equals = word.find('=');
    const std::string key = lower(word.substr(0, equals));
    if (known != std::end(kKinds)) {
      query.kinds |= 1U << (known - std::begin(kKinds));
    } else if (equals != std::string::npos && std::ranges::find(kKeys, key) != std::end(kKeys)) {
      if (!take(key, std::string_view(word).substr(equals + 1), query.filter))
        return fail(fmt::format("{}: no such {}", word, key));
    } else {
      query.words.push_back(lower(word));
    }
  }
  return query;
}

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return result;
}

}  // namespace faultline::tui
