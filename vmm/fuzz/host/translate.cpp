#include "vmm/fuzz/host/translate.hpp"

#include <sys/mman.h>
#include <sys/syscall.h>

#include <algorithm>
#include <limits>

#include "vmm/fuzz/around.hpp"
#include "vmm/fuzz/layout.hpp"

namespace faultline::vmm::fuzz::host {

namespace {

using Operands = std::array<std::int64_t, kMaxOperands>;

// What every judge takes for vm.mmap_min_addr.
constexpr std::uint64_t kMinAddress = 0x1'0000;

std::uint64_t address(std::int64_t operand) { return address_of(unpack_address(operand)).raw(); }
std::uint64_t word(std::int64_t operand) { return static_cast<std::uint64_t>(operand); }
bool below_minimum(std::uint64_t at) { return at < kMinAddress; }

Step system_call(long number, std::uint64_t a, std::uint64_t b = 0, std::uint64_t c = 0, std::uint64_t d = 0,
                 std::uint64_t e = 0, std::uint64_t f = 0) {
  return {.kind = Kind::kCall, .number = static_cast<std::uint64_t>(number), .args = {a, b, c, d, e, f}};
}

std::uint64_t descriptor(std::int64_t file) {
  if (file == static_cast<std::int64_t>(FileOperand::kNone)) return std::numeric_limits<std::uint64_t>::max();
  return file == static_cast<std::int64_t>(FileOperand::kDisk) ? kDiskFd : kMemoryFd;
}

std::uint64_t map_flags(std::int64_t flags, std::int64_t file) {
  static constexpr std::pair<MapFlag, int> kFlags[] = {
      {kMapFixed, MAP_FIXED},         {kMapNoReplace, MAP_FIXED_NOREPLACE},
      {kMapNoReserve, MAP_NORESERVE}, {kMapPopulate, MAP_POPULATE},
      {kMapLocked, MAP_LOCKED},       {kMapGrowsDown, MAP_GROWSDOWN}};
  int result = (flags & kMapShared) != 0 ? MAP_SHARED : MAP_PRIVATE;
  if (file == 0) result |= MAP_ANONYMOUS;
  for (const auto& [ours, theirs] : kFlags)
    if ((flags & ours) != 0) result |= theirs;
  return static_cast<std::uint64_t>(result);
}

// Below the minimum, the first page stands for all: what precedes the refusal depends on nothing
// of the address but whether it is aligned.
Step map(const Operands& o) {
  std::uint64_t at = address(o[0]);
  if (below_minimum(at)) at &= kPageMask;
  return system_call(SYS_mmap, at, word(o[1]), word(o[2]), map_flags(o[3], o[4]), descriptor(o[4]),
                     word(o[5]) << kPageShift);
}

// madvise or msync.
Step walking_call(long number, const Operands& o, std::uint64_t last) {
  const std::uint64_t at = address(o[0]), bytes = word(o[1]);
  Step step = system_call(number, at, bytes, last);
  const auto parts = around(at, bytes, kImageAt, kOwnEnd);
  if (!parts) return step;
  step.kind = Kind::kAround;
  step.args[1] = parts->length;
  step.args[3] = parts->again;
  step.args[4] = parts->again_length;
  return step;
}

Step resident(const Operands& o) {
  Step step = system_call(SYS_mincore, address(o[0]), word(o[1]), kSharedAt + offsetof(Shared, resident));
  step.width = static_cast<std::uint32_t>(std::min<std::uint64_t>(16, (word(o[1]) + kPageMask) >> kPageShift));
  return step;
}

Step access(Kind kind, std::uint64_t width, std::int64_t at) {
  return {.kind = kind, .width = static_cast<std::uint32_t>(width), .args = {address(at)}};
}

Step with_pattern(Step step, std::int64_t value) {
  for (unsigned i = 0; i < 16; ++i) step.pattern[i] = pattern_byte(static_cast<unsigned>(value), i);
  return step;
}

// kKernelRead and kKernelWrite use pwrite to and pread from a memfd: both return how many bytes they
// copied before the first that they could not, to the byte (generic_perform_write and
// shmem_file_read_iter over copy_from_user and copy_to_user), where pipes and sockets round to pages
// or to nothing.
Step step_of(const Operation& operation) {
  const Operands& o = operation.operands;
  const auto length_call = [&](long number, std::uint64_t last = 0) {
    return system_call(number, address(o[0]), word(o[1]), last);
  };
  switch (operation.op) {
    case Op::kMap: return map(o);
    case Op::kUnmap: return length_call(SYS_munmap);
    case Op::kProtect: return length_call(SYS_mprotect, word(o[2]));
    case Op::kRemap: return system_call(SYS_mremap, address(o[0]), word(o[1]), word(o[2]), word(o[3]), address(o[4]));
    case Op::kAdvise: return walking_call(SYS_madvise, o, static_cast<std::uint64_t>(advice_table()[word(o[2])].value));
    case Op::kLock: return length_call(SYS_mlock2, word(o[2]));
    case Op::kUnlock: return length_call(SYS_munlock);
    case Op::kSync: return walking_call(SYS_msync, o, word(o[2]));
    case Op::kResident: return resident(o);
    case Op::kResize: return system_call(SYS_ftruncate, descriptor(o[0]), word(o[1]));
    case Op::kFork: return {.kind = Kind::kFork};
    case Op::kExit: return {.kind = Kind::kExit};
    case Op::kSwitch: return {.kind = Kind::kSwitch, .args = {word(o[0])}};
    case Op::kRead: return access(Kind::kRead, word(o[0]), o[1]);
    case Op::kWrite: return with_pattern(access(Kind::kWrite, word(o[0]), o[1]), o[2]);
    case Op::kFetch: return access(Kind::kFetch, 1, o[0]);
    case Op::kModify: return access(Kind::kModify, word(o[0]), o[1]);
    case Op::kLocked: return with_pattern(access(Kind::kLocked, word(o[0]), o[1]), o[2]);
    case Op::kCopy: return {.kind = Kind::kCopy, .args = {address(o[1]), word(o[0]), address(o[2])}};
    case Op::kFill: return with_pattern({.kind = Kind::kFill, .args = {address(o[1]), word(o[0])}}, o[2]);
    case Op::kKernelRead: return system_call(SYS_pwrite64, kSinkFd, address(o[1]), word(o[0]), 0);
    case Op::kKernelWrite: return system_call(SYS_pread64, kPatternsFd, address(o[1]), word(o[0]), 64 * word(o[2]));
    default: return {};
  }
}

bool reaches_below(const Operation& operation, bool grows) {
  const OpRow& r = row(operation.op);
  if (operation.op == Op::kRemap)
    return (operation.operands[3] & MREMAP_FIXED) != 0 && below_minimum(address(operation.operands[4]));
  if (!grows || (r.op_class != OpClass::kAccess && r.op_class != OpClass::kKernelAccess)) return false;
  for (std::size_t i = 0; i < kMaxOperands; ++i)
    if (r.operands[i] == OperandKind::kAddress && address(operation.operands[i]) + 64 < kMinAddress + 64) return true;
  return false;
}

bool grows_down(const Operation& operation) {
  return operation.op == Op::kMap && (operation.operands[3] & kMapGrowsDown) != 0;
}

}  // namespace

void translate(const Program& program, Shared& shared) {
  shared.steps = 0;
  bool grows = false;
  for (const Operation& operation : program.operations) {
    if ((row(operation.op).judges & kHost) == 0 || reaches_below(operation, grows)) return;
    grows = grows || grows_down(operation);
    shared.program[shared.steps++] = step_of(operation);
  }
}

}  // namespace faultline::vmm::fuzz::host
