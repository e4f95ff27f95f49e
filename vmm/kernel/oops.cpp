#include "vmm/kernel/oops.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "mmu/arch/vector.hpp"
#include "vmm/kvm/monitor_check.hpp"

namespace faultline::vmm::kernel {

namespace {

using mmu::ErrorCode;
using mmu::FaultStep;

using mmu::vector::kPageFault;
constexpr std::array<std::string_view, 16> kRegisterNames = {"RAX", "RCX", "RDX", "RBX", "RSP", "RBP", "RSI", "RDI",
                                                             "R08", "R09", "R10", "R11", "R12", "R13", "R14", "R15"};

std::string_view access(ErrorCode error) {
  if (error.write()) return "write";
  return error.fetch() ? "instruction fetch" : "read";
}

std::string table_line(const TableDump& dump) {
  std::string line;
  for (const TableEntry& entry : dump.entries) line += fmt::format("{} {:x} ", entry.name, entry.value);
  if (dump.bad) line += "BAD ";
  if (!line.empty()) line.pop_back();
  return line;
}

// In rows of three, as Linux has them: its order, not the hardware's.
std::string registers(const CpuState& cpu) {
  constexpr unsigned kRows[][3] = {{0, 3, 1}, {2, 6, 7}, {5, 8, 9}, {10, 11, 12}, {13, 14, 15}};
  std::string text;
  for (const auto& row : kRows) {
    for (unsigned i = 0; i < 3; ++i)
      text += fmt::format("{}{}: {:016x}", i == 0 ? "" : " ", kRegisterNames[row[i]], cpu.regs[row[i]]);
    text += '\n';
  }
  return text;
}

std::string code_line(const Oops& oops) {
  if (oops.code.empty()) return "Code: cannot be read at RIP";
  std::string line = "Code:";
  for (std::size_t i = 0; i < oops.code.size(); ++i)
    line += i == oops.code_mark ? fmt::format(" <{:02x}>", static_cast<unsigned>(oops.code[i]))
                                : fmt::format(" {:02x}", static_cast<unsigned>(oops.code[i]));
  return line;
}

}  // namespace

std::string_view name(OopsKind kind) {
  switch (kind) {
    case OopsKind::kNullDereference: return "NULL dereference";
    case OopsKind::kStackOverflow: return "stack overflow";
    case OopsKind::kSmap: return "SMAP violation";
    case OopsKind::kSmep: return "SMEP violation";
    case OopsKind::kNoExecute: return "execution of a page that is no code";
    case OopsKind::kReadOnly: return "write to a read-only page";
    case OopsKind::kPageFault: return "page fault";
    case OopsKind::kCorruptedTable: return "corrupted page table";
    case OopsKind::kException: return "exception";
  }
  return "?";
}

std::string_view reason(ErrorCode error) {
  if (!error.present()) return "page not present";
  if (error.reserved()) return "reserved bit set in an entry";
  if (error.protection_key()) return "protection key";
  return "access rights";
}

TableDump dump_tables(const mmu::Walk& walk) {
  TableDump dump;
  for (unsigned i = 0; i < walk.count; ++i) {
    const mmu::WalkStep& step = walk.steps[i];
    dump.entries.push_back({mmu::linux_level_name(step.level, walk.mode), step.entry.raw()});
    if (walk.mode == mmu::PagingMode::kFourLevel && i == 0) dump.entries.push_back({"P4D", step.entry.raw()});
  }
  dump.bad = walk.end == mmu::WalkEnd::kOutsideMemory;
  return dump;
}

OopsKind kind_of(const mmu::FaultOutcome& outcome, ErrorCode error, Gva address, Gva guard) {
  if (outcome.result == mmu::FaultResult::kPgtableBad) return OopsKind::kCorruptedTable;
  if (address.page() == guard.page()) return OopsKind::kStackOverflow;
  if (outcome.path.contains(FaultStep::kKernelFetch))
    return error.present() ? OopsKind::kSmep
                           : (address.raw() < kPageSize ? OopsKind::kNullDereference : OopsKind::kPageFault);
  if (address.raw() < kPageSize) return OopsKind::kNullDereference;
  if (outcome.path.contains(FaultStep::kSmapViolation)) return OopsKind::kSmap;
  if (!outcome.path.contains(FaultStep::kKernelAddress) || !error.present() || error.reserved())
    return OopsKind::kPageFault;
  if (error.fetch()) return OopsKind::kNoExecute;
  return error.write() ? OopsKind::kReadOnly : OopsKind::kPageFault;
}

std::string headline(const Oops& oops) {
  const auto at = fmt::format("{:016x}", oops.address.raw());
  switch (oops.kind) {
    case OopsKind::kNullDereference: return "BUG: NULL dereference in the kernel, address: " + at;
    case OopsKind::kStackOverflow:
      return fmt::format("BUG: stack overflow, guard page hit at address: {}, stack {:016x}-{:016x}", at,
                         oops.stack.bottom.raw(), oops.stack.top.raw());
    case OopsKind::kSmap: return "BUG: the kernel touched user data outside a user access (SMAP), address: " + at;
    case OopsKind::kSmep: return "BUG: the kernel executed user code (SMEP), address: " + at;
    case OopsKind::kNoExecute: return "BUG: the kernel executed a page with NX, address: " + at;
    case OopsKind::kReadOnly: return "BUG: the kernel wrote to a read-only page, address: " + at;
    case OopsKind::kPageFault: return "BUG: page fault that nothing handles, address: " + at;
    case OopsKind::kCorruptedTable: return oops.program + ": Corrupted page table at address " + at;
    case OopsKind::kException:
      return fmt::format("BUG: exception {} that nothing handles", kvm::vector_name(oops.vector));
  }
  return "?";
}

std::string to_text(const Oops& oops) {
  const CpuState& cpu = oops.cpu;
  const ControlState& control = oops.control;
  std::string text = headline(oops) + "\n";
  if (oops.vector == kPageFault) {
    text += fmt::format("#PF: {} {} in {} mode\n", oops.error.user() ? "user" : "supervisor", access(oops.error),
                        cpu.user() ? "user" : "kernel");
    text += fmt::format("#PF: error_code({:#06x}) - {}\n", oops.error.raw(), reason(oops.error));
    text += table_line(oops.tables) + "\n";
    text += fmt::format("#PF: decided by {}\n", fmt::join(oops.path, ", "));
  }
  text += fmt::format("Oops: {:04x} [#{}] {}\n", oops.error.raw(), oops.number, name(oops.kind));
  text += fmt::format("CPU: 0 Program: {}\n", oops.program);
  text += fmt::format("RIP: {:04x}:{} ({:016x})\n", cpu.cs, oops.function, cpu.regs.rip);
  text += code_line(oops) + "\n";
  text += fmt::format("RSP: {:04x}:{:016x} EFLAGS: {:08x}\n", cpu.ss, cpu.regs[UserRegs::kRsp], cpu.regs.rflags);
  text += registers(cpu);
  text += fmt::format("FS:  {:016x} GS: {:016x} EFER: {:x}\n", control.fs_base, control.gs_base, control.efer);
  text += fmt::format("CS:  {:04x} SS: {:04x} CR0: {:016x}\n", cpu.cs, cpu.ss, control.cr0);
  text += fmt::format("CR2: {:016x} CR3: {:016x} CR4: {:016x}\n", control.cr2, control.cr3, control.cr4);
  text += "Call Trace:\n";
  for (const std::string& caller : oops.trace) text += fmt::format(" {}\n", caller);
  return text + fmt::format("---[ end of oops #{} ]---\n", oops.number);
}

}  // namespace faultline::vmm::kernel
