#include "vmm/fuzz/binary.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>

#include "mmu/base/check.hpp"
#include "vmm/fuzz/layout.hpp"
#include "vmm/fuzz/text.hpp"
#include "vmm/fuzz/text_operand.hpp"

namespace faultline::vmm::fuzz {

namespace {

constexpr std::uint32_t kLastOf24 = 0xff'ffff;
static_assert(kMaxLength < kLastOf24 - kAbsurdLengths.size());
static_assert(kMaxOffset < 1 << 23);

void put(std::vector<std::byte>& out, std::uint32_t value, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) out.push_back(static_cast<std::byte>(value >> (8 * i)));
}

void put_operand(std::vector<std::byte>& out, OperandKind kind, std::int64_t value) {
  if (kind == OperandKind::kAddress) {
    const Address a = unpack_address(value);
    put(out, a.place, 1);
    return put(out, static_cast<std::uint32_t>(a.offset), 3);
  }
  auto number = static_cast<std::uint32_t>(value);
  if (kind == OperandKind::kLength) {
    const auto absurd = std::ranges::find(kAbsurdLengths, static_cast<std::uint64_t>(value));
    if (absurd != kAbsurdLengths.end())
      number = kLastOf24 - static_cast<std::uint32_t>(absurd - kAbsurdLengths.begin());
  }
  put(out, number, binary_size(kind));
}

// The value that the bytes of an operand stand for; whether it is legal is not known yet.
std::int64_t operand_value(OperandKind kind, std::uint32_t raw) {
  if (kind == OperandKind::kAddress) {
    // From 24 bits, with their sign.
    const std::int32_t offset = static_cast<std::int32_t>(raw & 0xffff'ff00) / 256;
    return pack({static_cast<std::uint8_t>(raw), offset});
  }
  if (kind == OperandKind::kLength && raw > kLastOf24 - kAbsurdLengths.size())
    return static_cast<std::int64_t>(kAbsurdLengths[kLastOf24 - raw]);
  return raw;
}

class Reader {
 public:
  Reader(std::span<const std::byte> bytes, std::string_view file) : bytes_(bytes), file_(file) {}

  [[nodiscard]] std::size_t at() const { return at_; }
  [[nodiscard]] std::size_t left() const { return bytes_.size() - at_; }
  std::uint32_t take(std::size_t size) {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < size; ++i) value |= std::to_integer<std::uint32_t>(bytes_[at_++]) << (8 * i);
    return value;
  }
  [[nodiscard]] tl::unexpected<Error> refuse(std::size_t offset, const std::string& what) const {
    return fail(std::string(file_) + ": byte " + std::to_string(offset) + ": " + what);
  }
  [[nodiscard]] tl::unexpected<Error> ends(const std::string& expected) const {
    return refuse(bytes_.size(), "the file ends; expected " + expected);
  }

 private:
  std::span<const std::byte> bytes_;
  std::string_view file_;
  std::size_t at_ = 0;
};

Result<Operation> parse_operation(Reader& in) {
  if (in.left() < 1) return in.ends("an operation");
  const std::size_t start = in.at();
  const std::uint32_t number = in.take(1);
  if (number >= kOps)
    return in.refuse(start, std::to_string(number) + " is no operation; there are 0 to " + std::to_string(kOps - 1));
  Operation operation{static_cast<Op>(number), {}};
  const OpRow& r = row(operation.op);
  for (std::size_t i = 0; i < r.operand_count(); ++i) {
    const OperandKind kind = r.operands[i];
    const std::size_t size = binary_size(kind), at = in.at();
    const std::string expected(legal_operands(kind));
    if (in.left() < size) return in.ends(expected);
    const std::uint32_t raw = in.take(size);
    operation.operands[i] = operand_value(kind, raw);
    if (!legal_operand(kind, operation.operands[i]))
      return in.refuse(at, "operand " + std::to_string(i + 1) + " of " + std::string(r.name) + " is not " + expected);
  }
  if (const auto why = illegal(operation)) return in.refuse(start, *why);
  return operation;
}

Result<std::size_t> parse_header(Reader& in) {
  if (in.left() < kBinaryHeader) return in.ends("a header of " + std::to_string(kBinaryHeader) + " bytes");
  for (std::size_t i = 0; i < kBinaryMagic.size(); ++i) {
    if (in.take(1) != std::to_integer<std::uint32_t>(kBinaryMagic[i]))
      return in.refuse(i, "this is no program: it does not begin with 89 46 4C 50");
  }
  if (const std::uint32_t version = in.take(1); version != kBinaryVersion)
    return in.refuse(in.at() - 1, "version " + std::to_string(version) + " is not known; version 1 is");
  const std::uint32_t count = in.take(2);
  if (count > kMaxOperations)
    return in.refuse(in.at() - 2,
                     std::to_string(count) + " operations; at most " + std::to_string(kMaxOperations) + " are read");
  return count;
}

}  // namespace

std::size_t binary_size(OperandKind kind) {
  switch (kind) {
    case OperandKind::kNone: return 0;
    case OperandKind::kAddress: return 4;
    case OperandKind::kLength:
    case OperandKind::kBytes: return 3;
    case OperandKind::kProtection:
    case OperandKind::kMapFlags:
    case OperandKind::kFile:
    case OperandKind::kFilePage:
    case OperandKind::kRemapFlags:
    case OperandKind::kAdvice:
    case OperandKind::kLockFlags:
    case OperandKind::kSyncFlags:
    case OperandKind::kProcess:
    case OperandKind::kWidth:
    case OperandKind::kCount:
    case OperandKind::kValue:
    case OperandKind::kLevel:
    case OperandKind::kBit:
    case OperandKind::kControl:
    case OperandKind::kNth: return 1;
  }
  return 0;
}

std::vector<std::byte> to_binary(const Program& program) {
  FL_CHECK(!illegal(program));
  std::vector<std::byte> out(kBinaryMagic.begin(), kBinaryMagic.end());
  put(out, kBinaryVersion, 1);
  put(out, static_cast<std::uint32_t>(program.operations.size()), 2);
  for (const Operation& operation : program.operations) {
    const OpRow& r = row(operation.op);
    put(out, static_cast<std::uint32_t>(operation.op), 1);
    for (std::size_t i = 0; i < r.operand_count(); ++i) put_operand(out, r.operands[i], operation.operands[i]);
  }
  return out;
}

Result<Program> parse_binary(std::span<const std::byte> bytes, std::string_view file_name) {
  Reader in(bytes, file_name);
  const auto count = parse_header(in);
  if (!count) return tl::unexpected(count.error());
  Program program;
  for (std::size_t i = 0; i < *count; ++i) {
    const auto operation = parse_operation(in);
    if (!operation) return tl::unexpected(operation.error());
    program.operations.push_back(*operation);
  }
  if (in.left() != 0)
    return in.refuse(in.at(), std::to_string(in.left()) + " bytes after the last operation, where the file ends");
  return program;
}

Result<Program> load_program(const std::string& path) {
  std::string content(kMaxTextBytes + 1, '\0');
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  file.read(content.data(), static_cast<std::streamsize>(content.size()));
  if (file.fail() && !file.eof()) return fail(path + ": cannot be read: " + std::strerror(errno));
  content.resize(static_cast<std::size_t>(file.gcount()));
  if (!content.empty() && static_cast<std::byte>(content.front()) == kBinaryMagic.front())
    return parse_binary(std::as_bytes(std::span(content)), path);
  return parse_text(content, path);
}

}  // namespace faultline::vmm::fuzz
