// One fault, explained end to end. Plain data that points at nothing: it may be kept, copied
// and written after everything it speaks of is gone. docs/fault-record.md explains each field.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "mmu/fault/fault.hpp"
#include "mmu/pgtable/edit_log.hpp"
#include "mmu/pgtable/walk.hpp"
#include "mmu/space/vma.hpp"
#include "vmm/decode/fixed_text.hpp"
#include "vmm/decode/instruction.hpp"
#include "vmm/decode/verdict.hpp"
#include "vmm/port/vcpu.hpp"

namespace faultline::vmm {

// What a record or report keeps of a VMA.
struct VmaInfo {
  Gva start, end;
  mmu::VmFlags flags;
  Pgoff pgoff;
  FixedText<96> name;  // as /proc/PID/maps shows it

  VmaInfo() = default;
  explicit VmaInfo(const mmu::Vma& vma);
};

enum class FaultEnd : std::uint8_t {
  kMinor,   // resolved without I/O
  kMajor,   // resolved, the host did I/O
  kSignal,  // a signal was raised: signal, si_code and signal_address tell which
  kEfault,  // the kernel's own access failed: the system call returns -EFAULT
};
std::string_view name(FaultEnd end);

// Where the time of one fault went, in nanoseconds of one monotonic clock. 0: not measured.
struct FaultTimes {
  std::uint64_t guest = 0;   // user code before the fault, in the vCPU
  std::uint64_t exit = 0;    // from leaving the vCPU to the request
  std::uint64_t decide = 0;  // VMA lookup, checks, choice of the handler
  std::uint64_t edit = 0;    // frames, page tables, TLB sink
  std::uint64_t resume = 0;  // from the outcome to entering the vCPU again
};

struct FaultRecord {
  // Who and when.
  FixedText<24> backend;  // "kvm-pvm"
  unsigned vcpu = 0;
  std::uint32_t process = 0;   // guest process id
  std::uint64_t sequence = 0;  // counts the faults of a run, from 1
  mmu::FaultOrigin origin = mmu::FaultOrigin::kUser;

  // What happened.
  Gva ip;
  Gva address;  // CR2
  mmu::ErrorCode error;
  decode::Instruction instruction;  // status kNoBytes for a fault of the kernel's own
  decode::Verdict verdict;

  // Why: the translation as it was before.
  mmu::Walk before;
  mmu::Blame blame;

  // What was done.
  std::optional<VmaInfo> vma;
  mmu::FaultPath path;
  mmu::EditLog edits;
  mmu::TlbAction tlb = mmu::TlbAction::kNone;

  // How it ended.
  FaultEnd end = FaultEnd::kMinor;
  int signal = 0;  // 0 unless kSignal
  int si_code = 0;
  Gva signal_address;  // si_addr; that name is a macro of <signal.h>

  FaultTimes times;

  // Takes everything that the outcome says: path, TLB action, end, signal. A signal's address is
  // the faulting one. `vma`: the one that decided, null when there was none.
  void set_outcome(const mmu::FaultOutcome& outcome, const mmu::Vma* vma);
};

// Names in records, stable: scripts read them.
std::string_view name(mmu::FaultOrigin origin);
std::string_view name(mmu::WalkEnd end);
std::string_view name(mmu::TlbAction action);
// "SIGSEGV"; "signal 99" is not a name, so an unknown one gives "".
std::string_view signal_name(int signal);
// "SEGV_MAPERR"; empty when the pair has no name here.
std::string_view si_code_name(int signal, int si_code);

}  // namespace faultline::vmm
