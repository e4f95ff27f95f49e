#include "tools/size.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

namespace faultline::tools {

std::optional<std::uint64_t> parse_size(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{}) return std::nullopt;
  std::string_view unit = text.substr(static_cast<std::size_t>(end - text.data()));
  unsigned shift = 0;
  if (!unit.empty()) {
    static constexpr std::string_view kUnits = "KMGT";
    const std::size_t at = kUnits.find(static_cast<char>(unit[0] & ~0x20));
    if (at == std::string_view::npos) return std::nullopt;
    shift = static_cast<unsigned>(10 * (at + 1));
    unit.remove_prefix(1);
    if (!(unit.empty() || unit == "B" || unit == "iB")) return std::nullopt;
  }
  if (shift != 0 && (number >> (64 - shift)) != 0) return std::nullopt;
  return number << shift;
}

std::optional<std::chrono::nanoseconds> parse_duration(std::string_view text) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || !std::isfinite(number) || number < 0) return std::nullopt;
  const std::string_view unit = text.substr(static_cast<std::size_t>(end - text.data()));
  struct Unit {
    std::string_view name;
    double ns;
  };
  static constexpr std::array kUnits = {Unit{"", 1e9},   Unit{"s", 1e9},  Unit{"ms", 1e6},
                                        Unit{"us", 1e3}, Unit{"m", 60e9}, Unit{"h", 3600e9}};
  const auto* found = std::ranges::find(kUnits, unit, &Unit::name);
  if (found == kUnits.end()) return std::nullopt;
  const double ns = number * found->ns;
  if (ns > 9e18) return std::nullopt;
  return std::chrono::nanoseconds(static_cast<std::int64_t>(ns));
}

namespace {
std::optional<std::uint64_t> parse_digits(std::string_view text, int base) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc{} || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}
}  // namespace

std::optional<std::uint64_t> parse_count(std::string_view text) { return parse_digits(text, 10); }

std::optional<std::uint64_t> parse_address(std::string_view text) {
  const bool hexadecimal = text.starts_with("0x") || text.starts_with("0X");
  return hexadecimal ? parse_digits(text.substr(2), 16) : parse_digits(text, 10);
}

}  // namespace faultline::tools
