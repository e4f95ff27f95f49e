#include "vmm/fuzz/text.hpp"

#include <algorithm>

#include "vmm/fuzz/text_operand.hpp"

namespace faultline::vmm::fuzz {

namespace {

constexpr std::string_view kBlank = " \t\r";

// For a message: short, and without what a terminal would obey.
std::string quoted(std::string_view token) {
  std::string text = "'";
  for (const char c : token.substr(0, 40)) text += c >= ' ' && c <= '~' ? c : '?';
  return text + (token.size() > 40 ? "...'" : "'");
}

const OpRow* find_row(std::string_view name) {
  const auto found = std::ranges::find(operation_table(), name, &OpRow::name);
  return found == operation_table().end() ? nullptr : &*found;
}

std::string form_of(const OpRow& row) {
  std::string text(row.name);
  for (std::size_t i = 0; i < row.operand_count(); ++i) text += " " + std::string(operand_name(row.operands[i]));
  return text;
}

std::string all_names() {
  std::string text;
  for (const OpRow& row : operation_table()) text += (text.empty() ? "" : ", ") + std::string(row.name);
  return text;
}

// One line, token by token.
class Line {
 public:
  Line(std::string_view file, std::size_t number, std::string_view text)
      : file_(file), number_(number), text_(text.substr(0, text.find('#'))) {}

  // Empty at the end of the line.
  std::string_view token() {
    start_ = std::min(text_.find_first_not_of(kBlank, end_), text_.size());
    end_ = std::min(text_.find_first_of(kBlank, start_), text_.size());
    return text_.substr(start_, end_ - start_);
  }
  // Of the token taken last.
  [[nodiscard]] tl::unexpected<Error> refuse(const std::string& what) const { return refuse(start_, what); }
  [[nodiscard]] std::size_t start() const { return start_; }
  [[nodiscard]] tl::unexpected<Error> refuse(std::size_t start, const std::string& what) const {
    return fail(std::string(file_) + ":" + std::to_string(number_) + ":" + std::to_string(start + 1) + ": " + what);
  }

 private:
  std::string_view file_;
  std::size_t number_;
  std::string_view text_;
  std::size_t start_ = 0, end_ = 0;
};

Result<Operation> parse_operation(Line& line, std::string_view name) {
  const OpRow* row = find_row(name);
  if (row == nullptr) return line.refuse(quoted(name) + " is no operation; there are " + all_names());
  const std::size_t start = line.start();
  Operation operation{row->op, {}};
  for (std::size_t i = 0; i < row->operand_count(); ++i) {
    const std::string_view token = line.token();
    if (token.empty())
      return line.refuse("the line ends; expected " + std::string(legal_operands(row->operands[i])) + " (" +
                         form_of(*row) + ")");
    const auto value = parse_operand(row->operands[i], token);
    if (!value) return line.refuse(quoted(token) + " is not " + value.error().message);
    operation.operands[i] = *value;
  }
  if (const std::string_view more = line.token(); !more.empty())
    return line.refuse(quoted(more) + " is one operand too many; expected " + form_of(*row));
  if (const auto why = illegal(operation)) return line.refuse(start, *why);
  return operation;
}

Result<void> parse_header(Line& line) {
  const std::size_t space = kTextHeader.find(' ');
  if (const auto word = line.token(); word != kTextHeader.substr(0, space))
    return line.refuse("this is no program: it begins with " + quoted(word) + ", not with " + quoted(kTextHeader));
  if (const auto version = line.token(); version != kTextHeader.substr(space + 1))
    return line.refuse("version " + quoted(version) + " of the language is not known; version 1 is");
  if (const auto more = line.token(); !more.empty())
    return line.refuse(quoted(more) + " after the version, where the line ends");
  return {};
}

}  // namespace

std::string to_text(const Operation& operation) {
  if (static_cast<std::size_t>(operation.op) >= kOps)
    return "operation-" + std::to_string(static_cast<unsigned>(operation.op));
  const OpRow& r = row(operation.op);
  std::string text(r.name);
  for (std::size_t i = 0; i < r.operand_count(); ++i) text += " " + operand_text(r.operands[i], operation.operands[i]);
  return text;
}

std::string to_text(const Program& program) {
  std::string text(kTextHeader);
  for (const Operation& operation : program.operations) text.append("\n").append(to_text(operation));
  text += '\n';
  return text;
}

Result<Program> parse_text(std::string_view text, std::string_view file_name) {
  Program program;
  if (text.size() > kMaxTextBytes)
    return Line(file_name, 1, "")
        .refuse("the file has more than " + std::to_string(kMaxTextBytes) + " bytes, which are all that is read");
  std::size_t number = 0;
  do {
    const std::size_t end = std::min(text.find('\n'), text.size());
    Line line(file_name, ++number, text.substr(0, end));
    if (end > kMaxLineBytes)
      return line.refuse("the line has more than " + std::to_string(kMaxLineBytes) +
                         " bytes, which are all that is read");
    text.remove_prefix(std::min(end + 1, text.size()));
    if (number == 1) {
      if (const auto header = parse_header(line); !header) return tl::unexpected(header.error());
      continue;
    }
    const std::string_view name = line.token();
    if (name.empty()) continue;
    if (program.operations.size() == kMaxOperations)
      return line.refuse("more than " + std::to_string(kMaxOperations) + " operations");
    const auto operation = parse_operation(line, name);
    if (!operation) return tl::unexpected(operation.error());
    program.operations.push_back(*operation);
  } while (!text.empty());
  return program;
}

}  // namespace faultline::vmm::fuzz
