// The report of a kernel program that died: what Linux's show_fault_oops, dump_pagetable and __die
// say, as data first, from which both the text and the JSON record are made.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "mmu/fault/fault.hpp"
#include "mmu/pgtable/walk.hpp"
#include "vmm/kernel/kernel_vcpu.hpp"

namespace faultline::vmm::kernel {

enum class OopsKind : std::uint8_t {
  kNullDereference,  // of the first page
  kStackOverflow,    // of a stack's guard page
  kSmap,             // data of user space without EFLAGS.AC
  kSmep,             // code of user space
  kNoExecute,        // code of a page with NX
  kReadOnly,         // write to a page without W
  kPageFault,        // anything else
  kCorruptedTable,   // pgtable_bad
  kException,        // not a page fault
};
std::string_view name(OopsKind kind);

struct TableEntry {
  std::string_view name;  // "PGD", "P4D", "PUD", "PMD", "PTE"
  std::uint64_t value = 0;
};
// What dump_pagetable shows: from the root to the first entry that is not present or is a leaf.
// Four levels have a P4D that is their PGD.
struct TableDump {
  std::vector<TableEntry> entries;
  bool bad = false;  // the next table lies outside guest memory
};
TableDump dump_tables(const mmu::Walk& walk);

struct StackRange {
  Gva bottom, top;
};

struct Oops {
  OopsKind kind = OopsKind::kPageFault;
  std::string program;
  unsigned number = 1;  // of the oopses of this run
  unsigned vector = 14;
  mmu::ErrorCode error;
  Gva address;                         // of a page fault
  std::vector<std::string_view> path;  // names of the steps of the ladder
  TableDump tables;                    // of a page fault
  CpuState cpu;
  ControlState control;
  StackRange stack;
  std::string function;            // where it was: "name+0x1/0x20"
  std::vector<std::byte> code;     // around RIP
  std::size_t code_mark = 0;       // index of the byte at RIP; the size: RIP cannot be read
  std::vector<std::string> trace;  // callers, the nearest first
};

// Which of them a page fault at CPL0 is. `guard`: the page below the stack.
OopsKind kind_of(const mmu::FaultOutcome& outcome, mmu::ErrorCode error, Gva address, Gva guard);

// Why the CPU refused the access (Linux show_fault_oops, in the order in which it looks at the bits).
std::string_view reason(mmu::ErrorCode error);

// The line that says it in words, "BUG: ..." or "Oops: ...".
std::string headline(const Oops& oops);
std::string to_text(const Oops& oops);
// One object, without a line end.
std::string to_json(const Oops& oops);

}  // namespace faultline::vmm::kernel
