// What a recording holds, as values: the reader gives these, the writer takes them. Times are
// nanoseconds of CLOCK_MONOTONIC since the recording began. docs/recording.md has the file format,
// and what of a run is recorded in which order.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "mmu/arch/paging_mode.hpp"
#include "mmu/pgtable/edit_log.hpp"
#include "vmm/port/raw_exit.hpp"
#include "vmm/port/vcpu.hpp"
#include "vmm/record/fault_record.hpp"
#include "vmm/record/instruction_input.hpp"

namespace faultline::vmm::recording {

// What was recorded, where and with what: the head of the file.
struct RunInfo {
  std::string faultline_version;
  std::string backend;  // "kvm-pvm"
  std::string linux_behaviour;
  std::string host_kernel;  // uname -r
  std::string cpu;          // model name
  std::vector<std::string> command;
  std::uint64_t memory_bytes = 0;  // of guest RAM
  mmu::PagingMode mode = mmu::PagingMode::kFourLevel;
  std::uint64_t started_unix_ns = 0;  // wall clock
  bool registers = false;             // each exit carries the registers
  std::uint64_t ring_bytes = 0;       // 0: everything was kept
};

enum class ExitReason : std::uint8_t { kPageFault, kSyscall, kException, kInterrupted, kFatal };
std::string_view name(ExitReason reason);

using vmm::RawExit;

// One return from the vCPU with an event.
struct Exit {
  ExitReason reason = ExitReason::kInterrupted;
  std::uint64_t qualification = 0;  // #PF: CR2; system call: its number; exception: error code
  std::uint32_t detail = 0;         // #PF: error code; exception: vector
  std::uint64_t entered_ns = 0, left_ns = 0;
  Gva rip;
  std::uint8_t cpl = 3;
  RawExit raw;
  std::optional<UserRegs> regs = {};  // where asked for
};

// One fault in full. The record's instruction and verdict are decoded by the reader.
struct Fault {
  FaultRecord record;
  std::uint64_t ended_ns = 0;
  std::vector<mmu::PteEdit> all_edits;  // record.edits keeps the first few
  // What the instruction is decoded from: the registers at the fault, and the bytes at RIP. Empty
  // for a fault of the kernel's own.
  InstructionInput input;
};

struct Syscall {
  std::uint64_t number = 0;
  std::array<std::uint64_t, 6> arguments{};
  std::int64_t result = 0;  // -errno on failure
  std::uint64_t started_ns = 0, ended_ns = 0;
  bool blocked = false;  // it waited
};

enum class SignalAction : std::uint8_t { kHandler, kKilled, kStopped, kContinued, kIgnored };
std::string_view name(SignalAction action);
struct Signal {
  int number = 0, code = 0;
  Gva address;  // si_addr of those that have one
  SignalAction action = SignalAction::kHandler;
};

// An operation changed the VMAs of the process: which are gone, by start, and which are there
// instead. In this order.
struct VmaChange {
  std::string operation;  // "mmap", "munmap", "stack growth", "exec", ...
  Gva start, end;         // what was asked for; start == end: the whole address space
  std::vector<Gva> removed;
  std::vector<VmaInfo> added;
};

// Entries that changed outside a fault: zap, protection, fork, write-back.
struct TableEdits {
  Gpa root;  // whose tables
  std::vector<mmu::PteEdit> edits;
};

enum class ProcessEvent : std::uint8_t { kStart, kFork, kExec, kExit };
std::string_view name(ProcessEvent event);
struct ProcessChange {
  ProcessEvent event = ProcessEvent::kStart;
  std::uint32_t parent = 0;  // of kFork
  Gpa root;                  // its top-level table from now on
  std::string program;       // of kStart and kExec
  int status = 0;            // of kExit, as a shell has it: 128 + n for signal n
};

// Another process got the vCPU; Event::process is the new one.
struct Switch {
  std::uint32_t from = 0;
};

// Memory figures, written when they have changed, at most every few milliseconds.
struct Counters {
  std::uint64_t rss_pages = 0;  // of the process
  std::uint64_t table_pages = 0;
  std::uint64_t free_frames = 0;  // of the machine
  std::uint64_t minor = 0, major = 0;
  std::uint64_t faults = 0, syscalls = 0;  // events of these kinds of the process so far
  bool operator==(const Counters&) const = default;
};

// How the run ended; the last event of a whole recording.
struct End {
  std::string reason;  // "exited", "stopped by the time limit", ...
  int status = 0;
};

using Body = std::variant<Exit, Fault, Syscall, Signal, VmaChange, TableEdits, ProcessChange, Switch, Counters, End>;

struct Event {
  std::uint64_t number = 0;   // counts all events of the run, from 1; with a ring the first may be later
  std::uint64_t time_ns = 0;  // of an Exit when it left the guest, of a Fault when it began, else of its end
  std::uint32_t process = 0;
  Body body;
};

}  // namespace faultline::vmm::recording
