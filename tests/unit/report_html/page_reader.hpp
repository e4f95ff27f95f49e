// Reads what PageData wrote, as the page does.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace faultline::test {

inline std::vector<std::uint32_t> decode(std::string_view bytes, std::size_t rows) {
  std::vector<std::uint32_t> values;
  std::uint32_t last = 0;
  for (std::size_t at = 0; values.size() < rows;) {
    std::uint32_t code = 0;
    for (unsigned shift = 0;; shift += 7) {
      const auto byte = static_cast<unsigned char>(bytes.at(at++));
      code |= static_cast<std::uint32_t>(byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    values.push_back(last += code >> 1 ^ (0U - (code & 1)));
  }
  return values;
}

struct Page {
  nlohmann::json header;
  std::map<std::string, std::vector<std::uint32_t>> columns;

  explicit Page(std::string_view data) {
    std::size_t size = 0;
    for (unsigned n = 0; n < 4; ++n) size |= std::size_t{static_cast<unsigned char>(data.at(n))} << (8 * n);
    header = nlohmann::json::parse(data.substr(4, size));
    std::size_t at = 4 + size;
    for (const auto& column : header.at("columns")) {
      const auto rows = column.at(1).get<std::size_t>(), bytes = column.at(2).get<std::size_t>();
      columns[column.at(0)] = decode(data.substr(at, bytes), rows);
      at += bytes;
    }
    complete = at == data.size();
  }
  bool complete = false;  // the columns end where the data does

  [[nodiscard]] std::uint64_t wide(const std::string& name, std::size_t row) const {
    return std::uint64_t{columns.at(name + ".high").at(row)} << 32 | columns.at(name + ".low").at(row);
  }
  [[nodiscard]] std::string text(const std::string& name, std::size_t row) const {
    return header.at("texts").at(columns.at(name).at(row));
  }
};

}  // namespace faultline::test
