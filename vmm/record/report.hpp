// The report for a fault that nobody handled: a signal that kills the guest, or an event that
// the vCPU cannot go on from. In the shape of Linux's oops (arch/x86/mm/fault.c show_fault_oops,
// dump_pagetable; arch/x86/kernel/dumpstack.c), in words of our own.
#pragma once

#include <fmt/format.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "mmu/space/vma_set.hpp"
#include "vmm/record/fault_record.hpp"
#include "vmm/record/symbols.hpp"

namespace faultline::vmm {

// Copies guest memory without touching it (no fault, no A or D) and returns how many bytes it
// could copy before the first one that is not mapped.
using PeekMemory = std::function<std::size_t(Gva, std::span<std::byte>)>;

// The page tables' answer for one address; empty for a report without it.
using WalkAddress = std::function<mmu::Walk(Gva)>;

struct ReportInput {
  std::string_view backend;
  unsigned vcpu = 0;
  std::uint32_t process = 0;
  std::string program;  // as the command line names it

  // What happened: a #PF, another exception, or an event that ended the vCPU.
  std::variant<PageFaultEvent, ExceptionEvent, FatalEvent> event;
  UserRegs regs;
  std::uint64_t fs_base = 0, gs_base = 0;
  mmu::PagingMode mode = mmu::PagingMode::kFourLevel;

  // The signal that kills the guest; 0: none.
  int signal = 0;
  int si_code = 0;

  PeekMemory peek;
  WalkAddress walk;
  const SymbolTable* symbols = nullptr;  // null: addresses only
  std::vector<VmaInfo> vmas;             // in address order
};

std::vector<VmaInfo> describe_vmas(const mmu::VmaSet& vmas);

// Appends the report, lines ending in a newline. Guest memory and registers are hostile input.
void append_report(fmt::memory_buffer& out, const ReportInput& input);

}  // namespace faultline::vmm
