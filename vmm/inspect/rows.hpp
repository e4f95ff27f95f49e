// One description of a row for both forms that programs read: JSON Lines, an object for each row,
// and CSV (RFC 4180) with a header. Names of fields are stable; docs/inspect.md lists them.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "vmm/record/json_writer.hpp"

namespace faultline::vmm::inspect {

enum class RowFormat : std::uint8_t { kJsonLines, kCsv };

class RowWriter {
 public:
  // Appends to `out`, which the caller may empty between rows.
  RowWriter(fmt::memory_buffer& out, RowFormat format) : out_(out), format_(format) {}

  // The fields of a row, in order. In CSV every row must have the fields of the first.
  void begin();
  RowWriter& text(std::string_view name, std::string_view value);
  RowWriter& number(std::string_view name, std::uint64_t value);
  RowWriter& signed_number(std::string_view name, std::int64_t value);
  RowWriter& real(std::string_view name, double value);        // six digits; none() when it is no number
  RowWriter& hex(std::string_view name, std::uint64_t value);  // "0x1f"
  RowWriter& none(std::string_view name);                      // null; nothing in CSV
  void end();

  // Where what has no place in a table can be added to the row; null for CSV.
  [[nodiscard]] JsonWriter* json() { return json_ ? &*json_ : nullptr; }
  [[nodiscard]] bool is_json() const { return format_ == RowFormat::kJsonLines; }

 private:
  void cell(std::string_view name, std::string_view value);

  fmt::memory_buffer& out_;
  RowFormat format_;
  std::optional<JsonWriter> json_;  // of the row that has begun
  std::string header_, row_;
  bool header_done_ = false;
  unsigned fields_ = 0, expected_ = 0;
};

}  // namespace faultline::vmm::inspect
