#include "vmm/decode/verdict.hpp"

namespace faultline::vmm::decode {

std::string_view name(Explanation explanation) {
  switch (explanation) {
    case Explanation::kOperand: return "operand";
    case Explanation::kFetch: return "fetch";
    case Explanation::kRepeatRange: return "repeat-range";
    case Explanation::kUnknownAddress: return "unknown-address";
    case Explanation::kSupervisor: return "supervisor";
    case Explanation::kNone: return "none";
  }
  return {};
}

std::string_view name(Cr2Place place) {
  switch (place) {
    case Cr2Place::kOutside: return "outside";
    case Cr2Place::kFirstByte: return "first-byte";
    case Cr2Place::kPageStart: return "page-start";
    case Cr2Place::kInterior: return "interior";
  }
  return {};
}

std::string_view name(Agreement agreement) {
  switch (agreement) {
    case Agreement::kAgrees: return "agrees";
    case Agreement::kReadHalf: return "read-half";
    case Agreement::kDisagrees: return "disagrees";
    case Agreement::kUnknown: return "unknown";
  }
  return {};
}

namespace {

// All arithmetic on addresses is modulo 2^64 here: a guest chooses them.
struct Range {
  std::uint64_t start = 0;
  std::uint64_t bytes = 0;
  [[nodiscard]] bool contains(Gva a) const { return a.raw() - start < bytes; }
};

Agreement agreement(Access access, mmu::ErrorCode error) {
  if (error.fetch()) return access == Access::kExecute ? Agreement::kAgrees : Agreement::kDisagrees;
  if (error.write()) return writes(access) ? Agreement::kAgrees : Agreement::kDisagrees;
  if (access == Access::kReadWrite) return Agreement::kReadHalf;
  return reads(access) ? Agreement::kAgrees : Agreement::kDisagrees;
}

Verdict inside(Explanation explanation, std::size_t operand, const Range& range, Gva cr2, Agreement access) {
  Verdict v;
  v.explanation = explanation;
  v.operand = static_cast<int>(operand);
  v.offset = static_cast<std::int64_t>(cr2.raw() - range.start);
  v.straddles = (range.start & kPageMask) + range.bytes > kPageSize;
  v.on_second_page = cr2.page() != Gva(range.start).page();
  v.place = v.offset == 0 ? Cr2Place::kFirstByte : cr2.page_offset() == 0 ? Cr2Place::kPageStart : Cr2Place::kInterior;
  v.access = access;
  return v;
}

// Of several operands that hold the address the one that agrees best, then the one whose first
// byte or page it is, then the first.
unsigned rank(const Verdict& v) {
  const unsigned access = v.access == Agreement::kAgrees ? 3 : v.access == Agreement::kReadHalf ? 2 : 1;
  return access * 2 + (v.place == Cr2Place::kInterior ? 0 : 1);
}

void consider(Verdict& best, const Verdict& candidate) {
  if (best.explanation == Explanation::kNone || rank(candidate) > rank(best)) best = candidate;
}

Verdict match_operands(const Instruction& instruction, Gva cr2, mmu::ErrorCode error) {
  Verdict best;
  const auto operands = instruction.operands();
  for (std::size_t n = 1; n < operands.size(); ++n) {
    const MemOperand& o = operands[n];
    if (o.access == Access::kNone || !o.address_known) continue;
    const Agreement access = agreement(o.access, error);
    if (!o.vector_index) {
      const Range range{o.address.raw(), o.width};
      if (range.contains(cr2)) consider(best, inside(Explanation::kOperand, n, range, cr2, access));
      continue;
    }
    for (const Gva element : instruction.elements()) {
      const Range range{element.raw(), o.width};
      if (range.contains(cr2)) consider(best, inside(Explanation::kOperand, n, range, cr2, access));
    }
  }
  return best;
}

Verdict match_extents(const Instruction& instruction, Gva cr2, mmu::ErrorCode error) {
  Verdict best;
  const auto operands = instruction.operands();
  for (std::size_t n = 1; n < operands.size(); ++n) {
    const MemOperand& o = operands[n];
    const Range range{o.extent_start.raw(), o.extent_bytes};
    if (o.access == Access::kNone || !o.address_known || !range.contains(cr2)) continue;
    Verdict v = inside(Explanation::kRepeatRange, n, range, cr2, agreement(o.access, error));
    // Told from the current element, which may be at either end of the range.
    v.offset = static_cast<std::int64_t>(cr2.raw() - o.address.raw());
    v.on_second_page = cr2.page() != o.address.page();
    v.place = cr2.page_offset() == 0 ? Cr2Place::kPageStart : Cr2Place::kInterior;
    consider(best, v);
  }
  return best;
}

Verdict match_fetch(const Instruction& instruction, Gva cr2, mmu::ErrorCode error) {
  if (instruction.operand_count == 0) return {};
  const MemOperand& o = instruction.operand_list[0];
  const Range range{o.address.raw(), o.width};
  if (!range.contains(cr2)) return {};
  return inside(Explanation::kFetch, 0, range, cr2, agreement(Access::kExecute, error));
}

Verdict match_unknown(const Instruction& instruction, mmu::ErrorCode error) {
  Verdict v;
  const auto operands = instruction.operands();
  for (std::size_t n = 1; n < operands.size(); ++n) {
    const MemOperand& o = operands[n];
    if (o.access == Access::kNone || o.address_known) continue;
    v.explanation = Explanation::kUnknownAddress;
    v.operand = static_cast<int>(n);
    v.access = agreement(o.access, error);
    v.note = "the address of this operand needs registers that were not recorded";
    return v;
  }
  return v;
}

std::string_view note_for(const Instruction& instruction, const Verdict& v, mmu::ErrorCode error) {
  const bool decoded = instruction.status == DecodeStatus::kDecoded;
  if (v.explanation == Explanation::kFetch && v.access == Agreement::kDisagrees)
    return "a fetch that the error code does not call one: no-execute paging is off, or code was read as data";
  if (v.explanation == Explanation::kFetch && !decoded && v.on_second_page)
    return "the instruction continues on a page that cannot be fetched";
  if (v.explanation == Explanation::kRepeatRange) return "ahead of the element that the registers point to";
  if (v.access == Agreement::kDisagrees)
    return error.write() ? "the error code says write, the operand is only read"
                         : "the error code says read, the operand is only written";
  if (v.access == Agreement::kReadHalf && instruction.locked) return "a locked read-modify-write reported as a read";
  const MemOperand& o = instruction.operand_list[static_cast<std::size_t>(v.operand)];
  // Seen on hardware for FXSAVE and XSAVE that straddle pages.
  if (v.place == Cr2Place::kInterior && o.width > 64 && v.offset == std::int64_t{o.width} - 1)
    return "the last byte: the CPU checks the end of a state area first";
  if (v.place == Cr2Place::kInterior && !o.conditional) return "neither the first byte of the operand nor of a page";
  return {};
}

std::string_view why_nothing(const Instruction& instruction, mmu::ErrorCode error) {
  switch (instruction.status) {
    case DecodeStatus::kNoBytes: return "the instruction's bytes could not be read";
    case DecodeStatus::kTruncated: return "the instruction could be read in part only";
    case DecodeStatus::kInvalid: return "the bytes at RIP are no instruction";
    case DecodeStatus::kDecoded: break;
  }
  if (error.fetch()) return "a fetch away from RIP";
  return "no operand covers the address: a stale translation, or code or registers changed since";
}

}  // namespace

Verdict judge(const Instruction& instruction, Gva cr2, mmu::ErrorCode error) {
  Verdict v;
  if (!error.fetch()) {
    v = match_operands(instruction, cr2, error);
    if (v.explanation == Explanation::kNone) v = match_extents(instruction, cr2, error);
  }
  if (v.explanation == Explanation::kNone) v = match_fetch(instruction, cr2, error);
  if (v.explanation != Explanation::kNone) {
    v.note = note_for(instruction, v, error);
    return v;
  }
  if (!error.fetch()) v = match_unknown(instruction, error);
  if (v.explanation != Explanation::kNone) return v;
  if (!error.user()) {
    v.explanation = Explanation::kSupervisor;
    v.note = "an access of the system, not of this instruction: descriptor table, TSS or system call";
    return v;
  }
  v.note = why_nothing(instruction, error);
  return v;
}

}  // namespace faultline::vmm::decode
