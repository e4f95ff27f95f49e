#include <sys/mman.h>

#include <algorithm>

#include "vmm/fuzz/layout.hpp"
#include "vmm/fuzz/program.hpp"

namespace faultline::vmm::fuzz {

namespace {

using K = OperandKind;

constexpr std::uint8_t kNotReference = kMachine | kHost;

}  // namespace

const std::array<OpRow, kOps>& operation_table() {
  static constexpr std::array<OpRow, kOps> kTable{{
      {Op::kMap,
       "map",
       OpClass::kCall,
       kEveryJudge,
       {K::kAddress, K::kLength, K::kProtection, K::kMapFlags, K::kFile, K::kFilePage},
       "mmap"},
      {Op::kUnmap, "unmap", OpClass::kCall, kEveryJudge, {K::kAddress, K::kLength}, "munmap"},
      {Op::kProtect, "protect", OpClass::kCall, kEveryJudge, {K::kAddress, K::kLength, K::kProtection}, "mprotect"},
      {Op::kRemap,
       "remap",
       OpClass::kCall,
       kEveryJudge,
       {K::kAddress, K::kLength, K::kLength, K::kRemapFlags, K::kAddress},
       "mremap: old and new length, and where to"},
      {Op::kAdvise, "advise", OpClass::kCall, kEveryJudge, {K::kAddress, K::kLength, K::kAdvice}, "madvise"},
      {Op::kLock, "lock", OpClass::kCall, kEveryJudge, {K::kAddress, K::kLength, K::kLockFlags}, "mlock2"},
      {Op::kUnlock, "unlock", OpClass::kCall, kEveryJudge, {K::kAddress, K::kLength}, "munlock"},
      {Op::kSync, "sync", OpClass::kCall, kEveryJudge, {K::kAddress, K::kLength, K::kSyncFlags}, "msync"},
      {Op::kResident, "resident", OpClass::kCall, kNotReference, {K::kAddress, K::kLength}, "mincore"},
      {Op::kResize, "resize", OpClass::kCall, kEveryJudge, {K::kFile, K::kBytes}, "ftruncate"},
      {Op::kFork, "fork", OpClass::kProcess, kEveryJudge, {}, "a child with the next free number"},
      {Op::kExit, "exit", OpClass::kProcess, kEveryJudge, {}, "the current process ends, unless it is the last"},
      {Op::kSwitch, "switch", OpClass::kProcess, kEveryJudge, {K::kProcess}, "another process goes on"},
      {Op::kRead, "read", OpClass::kAccess, kEveryJudge, {K::kWidth, K::kAddress}, "a load"},
      {Op::kWrite, "write", OpClass::kAccess, kEveryJudge, {K::kWidth, K::kAddress, K::kValue}, "a store"},
      {Op::kFetch, "fetch", OpClass::kAccess, kEveryJudge, {K::kAddress}, "one instruction is executed there"},
      {Op::kModify, "modify", OpClass::kAccess, kEveryJudge, {K::kWidth, K::kAddress}, "ROL of 8 bits: load and store"},
      {Op::kLocked,
       "exchange",
       OpClass::kAccess,
       kEveryJudge,
       {K::kWidth, K::kAddress, K::kValue},
       "XCHG: a locked load and store"},
      {Op::kCopy,
       "copy",
       OpClass::kAccess,
       kEveryJudge,
       {K::kCount, K::kAddress, K::kAddress},
       "REP MOVSB from one place to another"},
      {Op::kFill, "fill", OpClass::kAccess, kEveryJudge, {K::kCount, K::kAddress, K::kValue}, "REP STOSB"},
      {Op::kKernelRead,
       "kernel-read",
       OpClass::kKernelAccess,
       kEveryJudge,
       {K::kCount, K::kAddress},
       "a system call reads user memory"},
      {Op::kKernelWrite,
       "kernel-write",
       OpClass::kKernelAccess,
       kEveryJudge,
       {K::kCount, K::kAddress, K::kValue},
       "a system call writes user memory"},
      {Op::kFlipEntry,
       "flip-entry",
       OpClass::kRaw,
       kMachine,
       {K::kAddress, K::kLevel, K::kBit},
       "toggles a bit of a page-table entry"},
      {Op::kFlipControl, "flip-control", OpClass::kRaw, kMachine, {K::kControl}, "toggles a control bit"},
      {Op::kInvalidate,
       "invalidate",
       OpClass::kRaw,
       kMachine,
       {K::kAddress},
       "drops what the processor may have cached"},
      {Op::kFailAllocation,
       "fail-allocation",
       OpClass::kFailure,
       kMachine,
       {K::kNth},
       "a coming allocation of a frame fails"},
  }};
  return kTable;
}

const std::vector<Advice>& advice_table() {
  static const std::vector<Advice> table{
      {MADV_NORMAL, "normal"},         {MADV_RANDOM, "random"},     {MADV_SEQUENTIAL, "sequential"},
      {MADV_WILLNEED, "willneed"},     {MADV_DONTNEED, "dontneed"}, {MADV_REMOVE, "remove"},
      {MADV_DONTFORK, "dontfork"},     {MADV_DOFORK, "dofork"},     {MADV_WIPEONFORK, "wipeonfork"},
      {MADV_KEEPONFORK, "keeponfork"}, {MADV_DONTDUMP, "dontdump"}, {MADV_DODUMP, "dodump"},
      {22, "populate-read"},           {23, "populate-write"},      {102, "guard-install"},
      {103, "guard-remove"},
  };
  return table;
}

namespace {

template <class T>
constexpr bool below(std::int64_t value, T end) {
  return value >= 0 && value < static_cast<std::int64_t>(end);
}

bool legal_length(std::int64_t value) {
  const auto bytes = static_cast<std::uint64_t>(value);
  return bytes <= kMaxLength || std::ranges::find(kAbsurdLengths, bytes) != kAbsurdLengths.end();
}

bool legal_address(std::int64_t value) {
  const Address a = unpack_address(value);
  return pack(a) == value && a.place < kPlaces.size() && a.offset >= -kMaxOffset && a.offset <= kMaxOffset;
}

bool legal_remap_flags(std::int64_t flags) {
  return below(flags, 8) && ((flags & MREMAP_MAYMOVE) == 0 || (flags & MREMAP_FIXED) != 0);
}

bool legal_map_flags(std::int64_t flags) {
  return below(flags, 128) && ((flags & kMapFixed) == 0) != ((flags & kMapNoReplace) == 0);
}

bool legal_width(std::int64_t width) { return width == 1 || width == 2 || width == 4 || width == 8 || width == 16; }

// What goes beyond single operands.
std::optional<std::string> illegal_combination(const Operation& o) {
  if (o.op == Op::kResize && o.operands[0] == 0) return "anonymous memory has no size";
  if (o.op == Op::kLocked && o.operands[0] == 16) return "XCHG is of 8 bytes at most";
  if (o.op == Op::kModify && o.operands[0] == 16) return "ROL is of 8 bytes at most";
  return std::nullopt;
}

}  // namespace

bool legal_operand(OperandKind kind, std::int64_t value) {
  switch (kind) {
    case K::kNone: return value == 0;
    case K::kAddress: return legal_address(value);
    case K::kLength: return legal_length(value);
    case K::kProtection:
    case K::kSyncFlags: return below(value, 8);
    case K::kMapFlags: return legal_map_flags(value);
    case K::kFile: return below(value, kFiles + 1);
    case K::kFilePage: return below(value, 32);
    case K::kRemapFlags: return legal_remap_flags(value);
    case K::kAdvice: return below(value, advice_table().size());
    case K::kLockFlags: return below(value, 2);
    case K::kBytes: return below(value, 32 * kPageSize + 1);
    case K::kProcess: return below(value, kMaxProcesses);
    case K::kWidth: return legal_width(value);
    case K::kCount: return value >= 1 && value <= 64;
    case K::kValue: return below(value, 256);
    case K::kLevel: return value >= 1 && value <= 4;
    case K::kBit: return below(value, 64) && (kFlippableBits >> value & 1) != 0;
    case K::kControl: return below(value, 2);
    case K::kNth: return value >= 1 && value <= 64;
  }
  return false;
}

std::optional<std::string> illegal(const Operation& operation) {
  if (static_cast<std::size_t>(operation.op) >= kOps) return "there is no such operation";
  const OpRow& r = row(operation.op);
  for (std::size_t i = 0; i < kMaxOperands; ++i) {
    if (!legal_operand(r.operands[i], operation.operands[i]))
      return "operand " + std::to_string(i + 1) + " of " + std::string(r.name) + " is out of range";
  }
  return illegal_combination(operation);
}

std::optional<std::string> illegal(const Program& program) {
  if (program.operations.size() > kMaxOperations) return "more than " + std::to_string(kMaxOperations) + " operations";
  for (std::size_t i = 0; i < program.operations.size(); ++i) {
    if (const auto why = illegal(program.operations[i])) return "operation " + std::to_string(i) + ": " + *why;
  }
  return std::nullopt;
}

}  // namespace faultline::vmm::fuzz
