#include "vmm/fuzz/shrink_operand.hpp"

#include <algorithm>
#include <bit>
#include <cstdlib>

#include "vmm/fuzz/layout.hpp"

namespace faultline::vmm::fuzz {

namespace {

using K = OperandKind;
constexpr auto kPage = static_cast<std::int32_t>(kPageSize);

// Operands that are alike: what is plain about them, and which others there are.
enum class Shape : std::uint8_t { kNothing, kAddress, kLength, kFlags, kNumber, kBit };

Shape shape_of(OperandKind kind) {
  switch (kind) {
    case K::kNone: return Shape::kNothing;
    case K::kAddress: return Shape::kAddress;
    case K::kLength:
    case K::kBytes: return Shape::kLength;
    case K::kProtection:
    case K::kMapFlags:
    case K::kRemapFlags:
    case K::kSyncFlags: return Shape::kFlags;
    case K::kFile:
    case K::kFilePage:
    case K::kAdvice:
    case K::kLockFlags:
    case K::kProcess:
    case K::kWidth:
    case K::kCount:
    case K::kValue:
    case K::kLevel:
    case K::kControl:
    case K::kNth: return Shape::kNumber;
    case K::kBit: return Shape::kBit;
  }
  return Shape::kNothing;
}

// Bytes from the nearest start of a page, which may be the next one: -1 there is as plain as +1.
std::int32_t from_page(std::int32_t offset) {
  const auto in_page = static_cast<std::int32_t>(static_cast<std::uint32_t>(offset) & kPageMask);
  return in_page <= kPage / 2 ? in_page : in_page - kPage;
}

// Towards the first place, then to a page's start, then to the place itself.
std::uint64_t address_cost(std::int64_t value) {
  const Address a = unpack_address(value);
  return std::uint64_t{a.place} << 44 | static_cast<std::uint64_t>(std::abs(from_page(a.offset))) << 24 |
         static_cast<std::uint64_t>(std::abs(a.offset)) << 1 | std::uint64_t{a.offset < 0};
}

// One page is plainest; then whole pages.
std::uint64_t length_cost(std::int64_t value) {
  const auto bytes = static_cast<std::uint64_t>(value);
  if (bytes == kPageSize) return 0;
  if (bytes > kMaxLength) return (std::uint64_t{1} << 50) + (bytes >> 16);
  return bytes + 1 + (bytes % kPageSize == 0 ? 0 : std::uint64_t{1} << 32);
}

std::uint64_t flags_cost(std::int64_t value) {
  const auto bits = static_cast<std::uint64_t>(value);
  return static_cast<std::uint64_t>(std::popcount(bits)) << 32 | bits;
}

void address_candidates(std::int64_t value, std::vector<std::int64_t>& out) {
  const Address a = unpack_address(value);
  const std::int32_t beyond = from_page(a.offset), page = a.offset - beyond;
  const std::int32_t nearer = page > 0 ? -kPage : page < 0 ? kPage : 0;
  for (const std::int32_t whole : {0, page / kPage / 2 * kPage, page + nearer, page}) {
    for (const std::int32_t rest : {0, beyond}) out.push_back(pack(Address{a.place, whole + rest}));
  }
  for (const std::int32_t rest :
       {beyond < 0 ? -1 : 1, beyond / 2, beyond & ~15, beyond & ~7, beyond - (beyond < 0 ? -1 : 1)})
    out.push_back(pack(Address{a.place, page + rest}));
  if (a.offset < 0) out.push_back(pack(Address{a.place, -a.offset}));
  for (std::uint8_t place = 0; place < a.place; ++place) {
    out.push_back(pack(Address{place, 0}));
    out.push_back(pack(Address{place, a.offset}));
  }
}

void length_candidates(std::int64_t value, std::vector<std::int64_t>& out) {
  const auto bytes = static_cast<std::uint64_t>(value);
  out.push_back(kPage);
  if (bytes > kMaxLength) {
    out.push_back(2 * kPage);
    out.push_back(static_cast<std::int64_t>(kMaxLength));
    for (const std::uint64_t absurd : kAbsurdLengths) out.push_back(static_cast<std::int64_t>(absurd));
    return;
  }
  const std::int64_t up = (value + kPage - 1) / kPage * kPage, down = value / kPage * kPage;
  for (const std::int64_t v :
       {std::int64_t{0}, std::int64_t{2} * kPage, value / 2 / kPage * kPage, up - kPage, down, up, value - 1})
    out.push_back(v);
}

void flag_candidates(std::int64_t value, std::vector<std::int64_t>& out) {
  out.push_back(0);
  for (std::int64_t bit = 1; bit <= value; bit <<= 1) out.push_back(bit);
  for (std::int64_t bit = 1; bit <= value; bit <<= 1) {
    if ((value & bit) == 0) continue;
    out.push_back(value & ~bit);
    // A bit in the place of a higher one: kMapFixed for kMapNoReplace.
    for (std::int64_t other = 1; other < bit; other <<= 1) out.push_back((value & ~bit) | other);
  }
}

void number_candidates(std::int64_t value, std::vector<std::int64_t>& out) {
  for (std::int64_t v = 0; v < std::min<std::int64_t>(value, 4); ++v) out.push_back(v);
  for (std::int64_t step = value / 2; step > 0; step /= 2) out.push_back(value - step);
}

}  // namespace

std::uint64_t cost(OperandKind kind, std::int64_t value) {
  switch (shape_of(kind)) {
    case Shape::kAddress: return address_cost(value);
    case Shape::kLength: return length_cost(value);
    case Shape::kFlags: return flags_cost(value);
    case Shape::kNothing:
    case Shape::kNumber:
    case Shape::kBit: return static_cast<std::uint64_t>(value);
  }
  return 0;
}

std::vector<std::int64_t> simpler(OperandKind kind, std::int64_t value) {
  std::vector<std::int64_t> all;
  switch (shape_of(kind)) {
    case Shape::kNothing: return all;
    case Shape::kAddress: address_candidates(value, all); break;
    case Shape::kLength: length_candidates(value, all); break;
    case Shape::kFlags: flag_candidates(value, all); break;
    case Shape::kNumber: number_candidates(value, all); break;
    // The legal ones are few and far between.
    case Shape::kBit:
      for (std::int64_t bit = 0; bit < value; ++bit) all.push_back(bit);
      break;
  }
  std::vector<std::int64_t> out;
  for (const std::int64_t v : all) {
    if (cost(kind, v) < cost(kind, value) && std::ranges::find(out, v) == out.end()) out.push_back(v);
  }
  return out;
}

}  // namespace faultline::vmm::fuzz
