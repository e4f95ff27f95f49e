// Programs that the fuzzer runs: a list of operations on the memory of a few processes, and of
// accesses to it. The same program means the same to every judge (judge.hpp).
//
// Everything a program touches lies in the windows of layout.hpp. At its start there is one
// process (number 0) with nothing in any window, and two files (FileOperand) of kFileBytes bytes
// with the content of file_byte(). Placement is never left to the kernel: an address is exact.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mmu/base/address.hpp"

namespace faultline::vmm::fuzz {

// One row of the table in operations.cpp each; the order is the binary format's: append only.
enum class Op : std::uint8_t {
  kMap,             // mmap AT LENGTH PROT FLAGS FILE OFFSET
  kUnmap,           // munmap AT LENGTH
  kProtect,         // mprotect AT LENGTH PROT
  kRemap,           // mremap AT OLD_LENGTH NEW_LENGTH FLAGS TO
  kAdvise,          // madvise AT LENGTH ADVICE
  kLock,            // mlock2 AT LENGTH FLAGS
  kUnlock,          // munlock AT LENGTH
  kSync,            // msync AT LENGTH FLAGS
  kResident,        // mincore AT LENGTH: one byte a page, bit 0
  kResize,          // ftruncate FILE BYTES
  kFork,            // a child with the next free number; the parent goes on
  kExit,            // the current process ends; the lowest number alive is current. Not the last one.
  kSwitch,          // PROCESS is current
  kRead,            // a load of WIDTH bytes AT
  kWrite,           // a store of WIDTH bytes AT: pattern(VALUE)
  kFetch,           // one instruction is executed AT (see fetch_end())
  kModify,          // rotates WIDTH bytes AT left by 8 bits: one instruction that loads and stores
  kLocked,          // XCHG of WIDTH bytes AT with pattern(VALUE): a locked load and store
  kCopy,            // REP MOVSB of COUNT bytes FROM TO
  kFill,            // REP STOSB of COUNT bytes AT: the first byte of pattern(VALUE)
  kKernelRead,      // a system call reads COUNT bytes AT (pwrite to a pipe-like sink)
  kKernelWrite,     // a system call writes COUNT bytes AT: pattern(VALUE), repeated
  kFlipEntry,       // toggles BIT of the entry of LEVEL for AT, where there is one; nothing is invalidated
  kFlipControl,     // toggles CONTROL of the vCPU
  kInvalidate,      // drops what the processor may have cached of AT
  kFailAllocation,  // the NTH allocation of a frame from here on fails, once
};
inline constexpr std::size_t kOps = 26;

inline constexpr std::size_t kMaxOperands = 6;
inline constexpr std::size_t kMaxOperations = 256;  // of one program
inline constexpr unsigned kMaxProcesses = 4;

// What an operand is: its legal values, its text, how it is made up, mutated and shrunk.
enum class OperandKind : std::uint8_t {
  kNone,
  kAddress,     // an Address, packed
  kLength,      // bytes, 0 to kMaxLength, or one of the absurd lengths of layout.hpp
  kProtection,  // PROT_* bits, 0 to 7
  kMapFlags,    // MapFlag bits; exactly one of kFixed and kNoReplace
  kFile,        // FileOperand
  kFilePage,    // 0 to 31
  kRemapFlags,  // MREMAP_* bits, 0 to 7; MAYMOVE implies FIXED: moves say where to
  kAdvice,      // index of the table of advice
  kLockFlags,   // 0, or 1: MLOCK_ONFAULT
  kSyncFlags,   // MS_* bits, 0 to 7
  kBytes,       // a file's size, 0 to 32 pages
  kProcess,     // 0 to kMaxProcesses - 1
  kWidth,       // 1, 2, 4, 8 or 16
  kCount,       // 1 to 64
  kValue,       // number of a pattern, 0 to 255
  kLevel,       // 1 to 4
  kBit,         // 0 to 63, of kFlippableBits
  kControl,     // Control
  kNth,         // 1 to 64
};
inline constexpr std::size_t kOperandKinds = 20;

enum MapFlag : std::uint8_t {
  kMapShared = 1,  // else private
  kMapFixed = 2,
  kMapNoReplace = 4,
  kMapNoReserve = 8,
  kMapPopulate = 16,
  kMapLocked = 32,
  kMapGrowsDown = 64,
};
enum class FileOperand : std::uint8_t { kNone, kDisk, kMemory };  // anonymous; on a disk; memfd
inline constexpr unsigned kFiles = 2;                             // besides kNone
enum class Control : std::uint8_t { kNxe, kWp };

// An address: a place of the table in layout.hpp, and bytes from it.
struct Address {
  std::uint8_t place = 0;
  std::int32_t offset = 0;
  bool operator==(const Address&) const = default;
};
[[nodiscard]] constexpr std::int64_t pack(Address a) {
  return static_cast<std::int64_t>(a.place) << 32 | static_cast<std::uint32_t>(a.offset);
}
[[nodiscard]] constexpr Address unpack_address(std::int64_t packed) {
  return {static_cast<std::uint8_t>(packed >> 32), static_cast<std::int32_t>(packed & 0xffff'ffff)};
}

struct Operation {
  Op op = Op::kMap;
  std::array<std::int64_t, kMaxOperands> operands{};
  bool operator==(const Operation&) const = default;
};

struct Program {
  std::vector<Operation> operations;
  bool operator==(const Program&) const = default;
};

// Who can follow an operation. From the first that a judge can't, it judges nothing more.
enum JudgeKind : std::uint8_t {
  kReference = 1,  // reference of VMAs and content; no page tables
  kMachine = 2,    // mmu, with a processor: the model's, KVM's or the hosted backend's
  kHost = 4,       // the Linux underneath
  kEveryJudge = 7,
};

enum class OpClass : std::uint8_t { kCall, kProcess, kAccess, kKernelAccess, kRaw, kFailure };

// One row: all that parsing, printing, generating, mutating and shrinking need to know.
struct OpRow {
  Op op;
  std::string_view name;  // of the text form
  OpClass op_class;
  std::uint8_t judges;
  std::array<OperandKind, kMaxOperands> operands;
  std::string_view summary;  // one line, for the documents
  [[nodiscard]] std::size_t operand_count() const {
    std::size_t n = 0;
    while (n < kMaxOperands && operands[n] != OperandKind::kNone) ++n;
    return n;
  }
};
[[nodiscard]] const std::array<OpRow, kOps>& operation_table();
[[nodiscard]] inline const OpRow& row(Op op) { return operation_table()[static_cast<std::size_t>(op)]; }

// Whether `kind` has `value`.
[[nodiscard]] bool legal_operand(OperandKind kind, std::int64_t value);
// What is wrong with `operation`, in words: a value that its kind does not have. Nothing: legal.
[[nodiscard]] std::optional<std::string> illegal(const Operation& operation);
// The same of a whole program, with the operation's number (from 0).
[[nodiscard]] std::optional<std::string> illegal(const Program& program);

// MADV_* of a kAdvice operand, and its name.
struct Advice {
  int value;
  std::string_view name;
};
[[nodiscard]] const std::vector<Advice>& advice_table();

}  // namespace faultline::vmm::fuzz
