#include "vmm/report_html/columns.hpp"

namespace faultline::vmm::report_html {

void Column::add(std::uint32_t value) {
  const std::uint32_t difference = value - last_;
  std::uint32_t code = difference << 1 ^ (0U - (difference >> 31));
  for (; code >= 0x80; code >>= 7) bytes_.push_back(static_cast<char>(code | 0x80));
  bytes_.push_back(static_cast<char>(code));
  last_ = value;
  ++rows_;
}

std::uint32_t Texts::id(std::string_view text) {
  const auto [at, added] = ids_.try_emplace(std::string(text), static_cast<std::uint32_t>(texts_.size()));
  if (added) texts_.emplace_back(text);
  return at->second;
}

}  // namespace faultline::vmm::report_html
