// "512M", "4G", "65536": sizes and durations as options spell them.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

namespace faultline::tools {

// Bytes. A plain number is bytes; K, M, G, T (also KiB, MiB, ...) are powers of 1024.
// Nothing when it is not a size or exceeds 2^64.
std::optional<std::uint64_t> parse_size(std::string_view text);
// "10", "0.5", "10s", "200ms", "2m". A plain number is seconds.
std::optional<std::chrono::nanoseconds> parse_duration(std::string_view text);
// A decimal number, nothing else.
std::optional<std::uint64_t> parse_count(std::string_view text);
// "0x401000" or decimal.
std::optional<std::uint64_t> parse_address(std::string_view text);

}  // namespace faultline::tools
