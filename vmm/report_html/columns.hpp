// Tables for the report page, column by column: numbers as differences to the row before, in
// as many bytes as they need. Ten columns that hardly change pack better than rows do.
// docs/html-report.md has the format.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace faultline::vmm::report_html {

// 32-bit numbers: zigzag of the difference modulo 2^32, then LEB128.
class Column {
 public:
  void add(std::uint32_t value);
  [[nodiscard]] std::size_t rows() const { return rows_; }
  [[nodiscard]] const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
  std::uint32_t last_ = 0;
  std::size_t rows_ = 0;
};

// 64-bit numbers: two columns.
struct WideColumn {
  Column low, high;
  void add(std::uint64_t value) {
    low.add(static_cast<std::uint32_t>(value));
    high.add(static_cast<std::uint32_t>(value >> 32));
  }
};

// Each text once; 0 is the empty one.
class Texts {
 public:
  Texts() { id({}); }
  std::uint32_t id(std::string_view text);
  [[nodiscard]] const std::vector<std::string>& all() const { return texts_; }

 private:
  std::vector<std::string> texts_;
  std::unordered_map<std::string, std::uint32_t> ids_;
};

// What is known of a value that does not fit: the largest that does.
constexpr std::uint32_t clamp32(std::uint64_t value) {
  return value > UINT32_MAX ? UINT32_MAX : static_cast<std::uint32_t>(value);
}

}  // namespace faultline::vmm::report_html
