#include "vmm/inspect/rows.hpp"

#include <cmath>

#include "mmu/base/check.hpp"
#include "vmm/record/printable.hpp"

namespace faultline::vmm::inspect {

namespace {

void append(fmt::memory_buffer& out, std::string_view text) { out.append(text.data(), text.data() + text.size()); }

std::string quoted(std::string_view value) {
  std::string out = printable(value);
  if (out.find_first_of(",\"") == std::string::npos) return out;
  for (std::size_t at = out.find('"'); at != std::string::npos; at = out.find('"', at + 2)) out.insert(at, 1, '"');
  return '"' + out + '"';
}

}  // namespace

void RowWriter::begin() {
  fields_ = 0;
  row_.clear();
  if (!is_json()) return;
  json_.emplace(out_);
  json_->begin_object();
}

void RowWriter::cell(std::string_view name, std::string_view value) {
  if (!header_done_) (header_ += fields_ == 0 ? "" : ",") += name;
  if (fields_++ > 0) row_ += ',';
  row_ += value;
}

RowWriter& RowWriter::text(std::string_view name, std::string_view value) {
  is_json() ? json_->key(name).string(value) : cell(name, quoted(value));
  return *this;
}

RowWriter& RowWriter::number(std::string_view name, std::uint64_t value) {
  is_json() ? json_->key(name).number(value) : cell(name, fmt::format_int(value).str());
  return *this;
}

RowWriter& RowWriter::signed_number(std::string_view name, std::int64_t value) {
  is_json() ? json_->key(name).number(value) : cell(name, fmt::format_int(value).str());
  return *this;
}

RowWriter& RowWriter::real(std::string_view name, double value) {
  if (!std::isfinite(value)) return none(name);
  const std::string digits = fmt::format("{:.6f}", value);
  is_json() ? json_->key(name).raw(digits) : cell(name, digits);
  return *this;
}

RowWriter& RowWriter::hex(std::string_view name, std::uint64_t value) {
  is_json() ? json_->key(name).hex(value) : cell(name, fmt::format("{:#x}", value));
  return *this;
}

RowWriter& RowWriter::none(std::string_view name) {
  is_json() ? json_->key(name).null() : cell(name, {});
  return *this;
}

void RowWriter::end() {
  if (is_json()) {
    json_->end_object();
    json_.reset();
    out_.push_back('\n');
    return;
  }
  if (!header_done_) {
    append(out_, header_ + '\n');
    expected_ = fields_;
    header_done_ = true;
  }
  FL_CHECK(fields_ == expected_);
  append(out_, row_);
  out_.push_back('\n');
}

}  // namespace faultline::vmm::inspect
