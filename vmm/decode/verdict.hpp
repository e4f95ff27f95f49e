// Which operand of an instruction made a page fault, and whether the error code agrees.
#pragma once

#include <cstdint>
#include <string_view>

#include "mmu/arch/error_code.hpp"
#include "vmm/decode/instruction.hpp"

namespace faultline::vmm::decode {

// What explains the faulting address.
enum class Explanation : std::uint8_t {
  kOperand,         // CR2 lies in the bytes of an operand
  kFetch,           // CR2 lies in the instruction's own bytes
  kRepeatRange,     // CR2 lies in what a REP or an XSAVE area may still touch
  kUnknownAddress,  // an operand whose address is not known may have made it
  kSupervisor,      // not user code's own access: descriptor table, TSS or a system call
  kNone,            // no operand explains it
};
std::string_view name(Explanation explanation);

// Where CR2 lies in the operand. A CPU reports the first byte that it could not access: the
// first of the operand, or the first of a later page that the operand reaches into.
enum class Cr2Place : std::uint8_t { kOutside, kFirstByte, kPageStart, kInterior };
std::string_view name(Cr2Place place);

enum class Agreement : std::uint8_t {
  kAgrees,
  kReadHalf,  // the read of a read-modify-write: also in agreement
  kDisagrees,
  kUnknown,  // nothing to compare with
};
std::string_view name(Agreement agreement);

struct Verdict {
  Explanation explanation = Explanation::kNone;
  int operand = -1;  // index into Instruction::operands(), -1: none
  Cr2Place place = Cr2Place::kOutside;
  std::int64_t offset = 0;      // CR2 minus the operand's (or element's) first byte; below 0 when a REP goes down
  bool straddles = false;       // the operand crosses a page boundary
  bool on_second_page = false;  // and CR2 is past the first page
  Agreement access = Agreement::kUnknown;
  std::string_view note;  // static, one clause; empty where there is nothing to add
};

// Judges a page fault. `instruction` was decoded with the registers at the fault.
Verdict judge(const Instruction& instruction, Gva cr2, mmu::ErrorCode error);

}  // namespace faultline::vmm::decode
