// The process that is debugged, and the control over how it runs: single steps, breakpoints,
// watchpoints, signals that are held back. The first process of the guest, as long as it lives and through
// execve; those that it forks run free of all this.
//
// Single steps are RFLAGS.TF, which works at CPL3 on every backend where KVM's own step does not.
// TF is put in right before the run and taken out right after it, out of every place where the
// guest could meet it: the flags, R11 behind SYSCALL, what PUSHF pushed.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "vmm/decode/decoder.hpp"
#include "vmm/gdb/breakpoints.hpp"
#include "vmm/gdb/registers.hpp"
#include "vmm/gdb/watchpoints.hpp"
#include "vmm/linux_abi/process_table.hpp"

namespace faultline::vmm::gdb {

// Why the process stands still.
struct Stop {
  enum class Why : std::uint8_t {
    kStart,
    kSignal,       // `signal` is about to be delivered: registers are those of the moment before
    kStep,         // an instruction, or a range of them, is done
    kBreakpoint,   // at one; `asked_as`
    kWatchpoint,   // `watch` was hit by the instruction before
    kExec,         // another program
    kInterrupted,  // the client asked
  };
  Why why = Why::kStart;
  int signal = 0;
  BreakKind asked_as = BreakKind::kSoftware;
  Watchpoint watch = {};
};

// How it goes on.
struct Resume {
  enum class How : std::uint8_t { kRun, kDetach, kKill };
  How how = How::kRun;
  bool step = false;
  Gva range_start = {}, range_end = {};  // steps go on while RIP is in there; empty: one step
  int signal = 0;                        // to be delivered; 0: none, the one that it stopped for is dropped
};

class Tracee {
 public:
  // Both outlive it; the first task is there.
  static Result<std::unique_ptr<Tracee>> create(Vcpu& vcpu, linux_abi::ProcessTable& processes);

  [[nodiscard]] linux_abi::Task& task() const { return processes_.first(); }
  [[nodiscard]] bool is(const linux_abi::Task& other) const { return &other == &task(); }
  [[nodiscard]] mmu::AddressSpace& mm() const { return task().mm(); }

  // Its state is in the vCPU; otherwise it is in Task::context().
  void set_loaded(bool loaded) { loaded_ = loaded; }
  Result<CpuState> cpu();
  // False: not now (in a system call that waits), or values that no CPU takes.
  bool set_cpu(const CpuState& state, const Changed& changed);
  // How many bytes could be read, or written (as Linux's FOLL_FORCE does: past the mapping's rights).
  std::uint64_t read(std::span<std::byte> to, Gva from) const { return peek_memory_of(to, from); }
  std::uint64_t write(Gva to, std::span<const std::byte> from);

  [[nodiscard]] Breakpoints& breakpoints() { return breakpoints_; }
  [[nodiscard]] Watchpoints& watchpoints() { return watchpoints_; }
  // Signals that are delivered without a stop.
  void set_passed(linux_abi::SignalSet passed) { passed_ = passed; }

  void go_on(const Stop& from, const Resume& resume);
  // Everything of the debugger's is gone from here on.
  void let_go();

  // --- around a turn of the run loop, in this order. A stop is to be held, then the turn begins again ---
  std::optional<Stop> before_signals();
  std::optional<Stop> before_run();
  void arm();
  struct Ran {
    bool own = false;  // the event is the debugger's doing, the guest is not told
    std::optional<Stop> stop;
  };
  Ran after_run(const VcpuEvent& event);
  // Takes out what arm() put in; nothing if that was done.
  void disarm();

 private:
  Tracee(Vcpu& vcpu, linux_abi::ProcessTable& processes, decode::Decoder decoder);
  [[nodiscard]] std::uint64_t peek_memory_of(std::span<std::byte> to, Gva from) const;
  void look_at_instruction();
  void clean_flags(const VcpuEvent& event);
  std::optional<Stop> watchpoint_hit();
  std::optional<Stop> step_done();
  Ran after_trap();
  Ran after_int3();

  Vcpu& vcpu_;
  linux_abi::ProcessTable& processes_;
  decode::Decoder decoder_;
  std::weak_ptr<mmu::AddressSpace> mm_;  // another one: execve
  bool loaded_ = true;
  Breakpoints breakpoints_;
  Watchpoints watchpoints_;
  linux_abi::SignalSet passed_, approved_;

  bool stepping_ = false;  // the client asked
  Gva range_start_, range_end_;
  bool over_guard_ = false;     // one step past what a watchpoint's guard stopped
  bool after_syscall_ = false;  // to be looked at when the call is over
  std::uint64_t rsp_before_signals_ = 0;

  // Of the run in progress.
  bool armed_ = false, single_ = false, guest_tf_ = false;
  UserRegs before_step_;
  bool early_trap_ = false;                          // the last trap came where it was set
  bool pushes_flags_ = false, loads_flags_ = false;  // the instruction stepped
  std::optional<Watchpoint> accessed_;               // by it
};

}  // namespace faultline::vmm::gdb
