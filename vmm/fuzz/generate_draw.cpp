#include "vmm/fuzz/generate_draw.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <array>

namespace faultline::vmm::fuzz {

namespace {

using K = OperandKind;

constexpr std::array<std::int64_t, 11> kBits{0, 1, 2, 3, 4, 5, 6, 10, 11, 51, 63};
// The advice that changes what is in memory, by its number: it is worth more than the rest.
constexpr std::array<std::int64_t, 12> kAdvice{4, 4, 4, 14, 14, 15, 5, 5, 6, 8, 12, 13};
constexpr std::array<std::int64_t, 10> kProtections{3, 3, 3, 3, 3, 1, 1, 7, 5, 0};

// How many bytes an access of `operation` is about.
std::uint64_t access_bytes(const Operation& operation) {
  const K first = row(operation.op).operands[0];
  return first == K::kWidth || first == K::kCount ? static_cast<std::uint64_t>(operation.operands[0]) : 1;
}

// The rights that an access of `operation` at its operand `i` takes, as PROT_* bits.
int rights_needed(const Operation& operation, std::size_t i) {
  switch (operation.op) {
    case Op::kFetch: return PROT_EXEC;
    case Op::kRead:
    case Op::kKernelRead: return PROT_READ;
    case Op::kCopy: return i == 1 ? PROT_READ : PROT_WRITE;
    case Op::kFlipEntry:
    case Op::kInvalidate: return 0;
    default: return PROT_WRITE;
  }
}

}  // namespace

std::optional<Address> from_place(std::uint64_t address) {
  std::optional<Address> best;
  for (std::size_t i = 0; i < kWindowPlaces; ++i) {
    const auto offset = static_cast<std::int64_t>(address - kPlaces[i].address);
    if (offset < -kMaxOffset || offset > kMaxOffset) continue;
    const Address here{static_cast<std::uint8_t>(i), static_cast<std::int32_t>(offset)};
    if (!best || std::abs(here.offset) < std::abs(best->offset)) best = here;
  }
  return best;
}

void mend(Operation& o) {
  if (o.op == Op::kResize && o.operands[0] == 0) o.operands[0] = 1;
  if ((o.op == Op::kLocked || o.op == Op::kModify) && o.operands[0] == 16) o.operands[0] = 8;
}

std::uint64_t Draw::point_of_window() {
  const Window& w = kWindows[percent(75) ? home_ : below(windows_)];
  // The middle is where the table spans meet; of the last two windows it is nothing special.
  const std::uint64_t middle = w.start + (w.end - w.start) / 2;
  switch (below(5)) {
    case 0: return middle;
    case 1: return middle + (below(9) - 4) * kPageSize;
    case 2: return w.start + below(4) * kPageSize;
    case 3: return w.end - below(5) * kPageSize;
    default: return w.start + below(kWindowPages) * kPageSize;
  }
}

std::uint64_t Draw::point_of_region() {
  const auto& regions = picture_.regions();
  if (regions.empty()) return point_of_window();
  const Picture::Region& r = regions[below(regions.size())];
  const std::uint64_t pages = (r.end - r.start) / kPageSize;
  switch (below(10)) {
    case 0:
    case 1: return r.start;
    case 2: return r.end - kPageSize;
    case 3: return r.end;
    case 4: return r.start - (1 + below(3)) * kPageSize;
    case 5: {
      if (r.file == FileOperand::kNone) return r.start;
      const std::uint64_t end = page_align(picture_.file_bytes(r.file));  // the first page beyond
      return end >= r.offset ? r.start + end - r.offset - below(2) * kPageSize : r.start;
    }
    default: return r.start + below(pages) * kPageSize;
  }
}

std::uint64_t Draw::point() {
  const auto& recent = picture_.recent();
  if (!recent.empty() && percent(50)) {
    const Picture::Stretch& s = percent(60) ? recent.back() : recent[below(recent.size())];
    const std::uint64_t pages = std::max<std::uint64_t>(1, s.bytes / kPageSize);
    if (percent(10)) return s.start + s.bytes;
    return s.start + (percent(50) ? 0 : below(pages)) * kPageSize;
  }
  return percent(85) ? point_of_region() : point_of_window();
}

// Where something new may go: beside what is there, more often than not.
std::uint64_t Draw::free_point() {
  const auto& regions = picture_.regions();
  if (!regions.empty() && percent(50)) {
    const Picture::Region& r = regions[below(regions.size())];
    return percent(70) ? r.end : r.start - (1 + below(4)) * kPageSize;
  }
  return percent(85) ? point_of_window() : point_of_region();
}

std::int64_t Draw::hostile_address() {
  const auto place = static_cast<std::uint8_t>(percent(30) ? 3 : 5 + below(4));
  static constexpr std::array<std::int32_t, 9> kOffsets{0, -1, 1, 8, -8, -4096, 4096, -4, 0xff8};
  return pack({place, kOffsets[below(kOffsets.size())]});
}

bool Draw::allows(std::uint64_t address, int rights) const {
  const Picture::Region* r = picture_.region_at(address);
  return r != nullptr && (r->protection & rights) == rights;
}

std::uint64_t Draw::bytes_from_point(std::uint64_t width) {
  static constexpr std::array<std::uint64_t, 6> kInPage{0, 8, 0x123, 0x800, 0xff0, 0xfff};
  const std::uint64_t at = point(), half = std::max<std::uint64_t>(1, width / 2);
  switch (below(8)) {
    case 0: return at - 1 - below(width);   // ends at the point, or straddles it
    case 1: return at - half;               // straddles it
    case 2: return at + kPageSize - half;   // straddles the page's end
    case 3: return at + kPageSize - width;  // the page's last bytes
    case 4:
    case 5: return at + kInPage[below(kInPage.size())];
    default: return at;
  }
}

std::int64_t Draw::access_address(const Operation& operation, std::size_t i) {
  const std::uint64_t bytes = access_bytes(operation);
  const int rights = rights_needed(operation, i);
  std::uint64_t at = bytes_from_point(bytes);
  // Most of them succeed, but not all.
  for (unsigned tries = percent(80) ? 5 : 0; tries != 0; --tries) {
    if (allows(at, rights) && allows(at + bytes - 1, rights)) break;
    at = bytes_from_point(bytes);
  }
  const auto a = from_place(at);
  return a ? pack(*a) : hostile_address();
}

std::int64_t Draw::address(const Operation& operation, std::size_t i) {
  if (percent(3)) return hostile_address();
  const OpClass c = row(operation.op).op_class;
  if (c == OpClass::kAccess || c == OpClass::kKernelAccess || c == OpClass::kRaw) return access_address(operation, i);
  const bool fresh = (operation.op == Op::kMap && percent(70)) || (operation.op == Op::kRemap && i == 4 && percent(70));
  std::uint64_t at = fresh ? free_point() : point();
  if (!fresh && picture_.region_at(at) == nullptr && percent(70)) at = point();
  if (percent(3)) at += percent(50) ? 1 : 0x800;
  const auto a = from_place(at);
  return a ? pack(*a) : hostile_address();
}

std::uint64_t Draw::some_length() {
  const std::uint64_t kind = below(100);
  if (kind < 45) return kPageSize;
  if (kind < 80) return (2 + below(4)) * kPageSize;
  if (kind < 90) return (1 + below(40)) * kPageSize;
  if (kind < 97) {
    const std::uint64_t whole = (1 + below(4)) * kPageSize;
    return whole + (percent(50) ? 1 : below(kPageSize));
  }
  return kind < 98 ? kAbsurdLengths[below(kAbsurdLengths.size())] : 0;
}

// The new length of a remap, by the old one.
std::uint64_t Draw::new_length(const Operation& operation) {
  const std::uint64_t old = std::min(static_cast<std::uint64_t>(operation.operands[1]), kMaxLength);
  const std::uint64_t kind = below(100);
  if (kind < 45) return old;
  if (kind < 65) return old + (1 + below(4)) * kPageSize;
  return kind < 85 ? std::max(old / 2, kPageSize) : some_length();
}

std::int64_t Draw::length(const Operation& operation, std::size_t i) {
  std::uint64_t bytes = some_length();
  if (i == 2) {
    bytes = new_length(operation);
  } else if (operation.op == Op::kMap) {
    // Of a page, half of all calls could do nothing to a part.
    if (bytes == kPageSize && percent(60)) bytes = (2 + below(6)) * kPageSize;
  } else {
    // Up to the end of what is there, or a part of it, more often than beyond.
    const std::uint64_t at = address_of(unpack_address(operation.operands[0])).raw();
    const Picture::Region* r = picture_.region_at(at);
    if (r != nullptr && (percent(30) || (bytes > r->end - at && percent(70)))) bytes = r->end - at;
  }
  if (std::ranges::find(kAbsurdLengths, bytes) == kAbsurdLengths.end()) bytes = std::min(bytes, kMaxLength);
  return static_cast<std::int64_t>(bytes);
}

std::int64_t Draw::map_flags() {
  std::int64_t flags = percent(85) ? kMapFixed : kMapNoReplace;
  if (percent(35)) flags |= kMapShared;
  if (percent(4)) flags |= kMapNoReserve;
  if (percent(8)) flags |= kMapPopulate;
  if (percent(4)) flags |= kMapLocked;
  if (percent(12)) flags = (flags & ~kMapShared) | kMapGrowsDown;
  return flags;
}

std::int64_t Draw::file_size() {
  const std::uint64_t pages = below(12) * kPageSize;
  switch (below(6)) {
    case 0: return 0;
    case 1: return static_cast<std::int64_t>(pages);
    case 2: return static_cast<std::int64_t>(kFileBytes);
    case 3: return static_cast<std::int64_t>(1 + below(kPageSize));
    default: return static_cast<std::int64_t>(pages + below(kPageSize));
  }
}

std::int64_t Draw::process() {
  if (percent(10)) return static_cast<std::int64_t>(below(kMaxProcesses));
  std::uint64_t skip = below(picture_.alive());
  for (unsigned i = 0; i < kMaxProcesses; ++i) {
    if (picture_.alive(i) && skip-- == 0) return i;
  }
  return 0;
}

std::int64_t Draw::operand(const Operation& operation, std::size_t i) {
  const auto small = [&](std::uint64_t end) { return static_cast<std::int64_t>(below(end)); };
  switch (row(operation.op).operands[i]) {
    case K::kNone: return 0;
    case K::kAddress: return address(operation, i);
    case K::kLength: return length(operation, i);
    case K::kProtection: return percent(80) ? kProtections[below(kProtections.size())] : small(8);
    case K::kMapFlags: return map_flags();
    case K::kFile: return operation.op == Op::kResize ? 1 + small(2) : percent(50) ? 0 : 1 + small(2);
    case K::kFilePage: return percent(50) ? 0 : percent(80) ? small(10) : small(32);
    case K::kRemapFlags: {
      // MREMAP_DONTUNMAP: of the whole length only.
      const std::int64_t keep = percent(operation.operands[1] == operation.operands[2] ? 30 : 3) ? 4 : 0;
      return percent(70) ? MREMAP_MAYMOVE | MREMAP_FIXED | keep : percent(90) ? 0 : MREMAP_FIXED | keep;
    }
    case K::kAdvice: return percent(60) ? kAdvice[below(kAdvice.size())] : small(advice_table().size());
    case K::kLockFlags: return percent(30) ? 1 : 0;
    case K::kSyncFlags: return percent(85) ? MS_SYNC : small(8);
    case K::kBytes: return file_size();
    case K::kProcess: return process();
    case K::kWidth: return std::int64_t{1} << below(5);
    case K::kCount: return 1 + small(64);
    case K::kValue: return percent(50) ? small(8) : small(256);
    case K::kLevel: return percent(70) ? 1 : 1 + small(4);
    case K::kBit: return kBits[below(kBits.size())];
    case K::kControl: return small(2);
    case K::kNth: return percent(60) ? 1 + small(4) : 1 + small(64);
  }
  return 0;
}

Operation Draw::operation(Op op) {
  Operation o{op, {}};
  for (std::size_t i = 0; i < row(op).operand_count(); ++i) o.operands[i] = operand(o, i);
  mend(o);
  // A stack, and what is anonymous, has no file most of the time.
  if (op == Op::kMap && (o.operands[3] & kMapGrowsDown) != 0 && percent(90)) o.operands[4] = 0;
  if (op == Op::kMap && o.operands[4] == 0 && percent(90)) o.operands[5] = 0;
  return o;
}

void Draw::redraw(Operation& o, std::size_t i) {
  o.operands[i] = operand(o, i);
  mend(o);
}

}  // namespace faultline::vmm::fuzz
