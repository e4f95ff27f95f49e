// A short run of two processes as a recording has it, made by hand: every kind
// of event.
#pragma once

#include <utility>
#include <vector>

#include "tests/unit/record/sample_records.hpp"
#include "vmm/recording/event.hpp"

namespace faultline::vmm::recording {

class EventList {
 public:
  EventList& at(std::uint64_t time_ns, std::uint32_t process, Body body) {
    events_.push_back({.number = events_.size() + 1, .time_ns = time_ns, .process = process, .body = std::move(body)});
    return *this;
  }
  [[nodiscard]] const std::vector<Event>& events() const { return events_; }

 private:
  std::vector<Event> events_;
};

inline Exit sample_exit(ExitReason reason, std::uint64_t entered_ns, std::uint64_t left_ns) {
  Exit exit;
  exit.reason = reason;
  exit.qualification = 0x7fff12345678;
  exit.entered_ns = entered_ns;
  exit.left_ns = left_ns;
  exit.rip = Gva(0x401000);
  return exit;
}

// The record's times with exit 310, decide 90, edit 410, resume 150: the guest
// was left at ended_ns - 810 and is entered again at ended_ns + 150.
inline Fault sample_fault(FaultRecord record, std::uint64_t ended_ns) {
  Fault fault;
  fault.all_edits.assign(record.edits.edits().begin(), record.edits.edits().end());
  fault.record = std::move(record);
  fault.ended_ns = ended_ns;
  return fault;
}

inline ProcessChange sample_change(ProcessEvent event, std::string program) {
  ProcessChange change;
  change.event = event;
  change.root = Gpa(0x5000);
  change.program = std::move(program);
  return change;
}

inline RunInfo small_run_info() {
  RunInfo info;
  info.faultline_version = "0.1.0";
  info.backend = "kvm-pvm";
  info.linux_behaviour = "6.18";
  info.command = {"/bin/sh", "-c", "a \"b\""};
  info.memory_bytes = 1 << 30;
  return info;
}

inline std::vector<Event> small_run() {
  FaultRecord in_call = kernel_efault();
  in_call.end = FaultEnd::kMinor;
  ProcessChange fork = sample_change(ProcessEvent::kFork, "");
  fork.parent = 100;
  ProcessChange exit = sample_change(ProcessEvent::kExit, "");
  exit.status = 139;
  VmaChange stack;
  stack.operation = "stack growth";
  stack.start = Gva(0x7fff12300000);
  stack.end = Gva(0x7fff12400000);
  stack.added.emplace_back(sample_vma(stack.start, stack.end, "[stack]"));
  TableEdits edits;
  edits.root = Gpa(0x5000);
  edits.edits.push_back({Gva(0x1000), 1, Gpa(0x7008), mmu::Pte::make(Gfn(0x50), 0x67), mmu::Pte()});
  Counters counters{.rss_pages = 12, .table_pages = 4, .free_frames = 65000, .minor = 3, .major = 1};

  EventList list;
  list.at(10, 100, sample_change(ProcessEvent::kStart, "/bin/sh"))
      .at(20, 100, stack)
      .at(2000, 100, sample_exit(ExitReason::kPageFault, 1000, 2000))
      .at(2500, 100, sample_fault(anonymous_write(), 2810))
      .at(3500, 100, sample_exit(ExitReason::kSyscall, 2960, 3500))
      .at(3900, 100, sample_fault(in_call, 4400))
      .at(4500, 100,
          Syscall{.number = 0, .arguments = {3, 0xdead000, 16}, .result = 16, .started_ns = 3600, .ended_ns = 4500})
      .at(4600, 100, counters)
      .at(4700, 100, edits)
      .at(4800, 101, fork)
      .at(5000, 101, Switch{.from = 100})
      .at(5100, 101, sample_change(ProcessEvent::kExec, "/usr/bin/sleep;er x"))
      .at(6000, 101, sample_exit(ExitReason::kPageFault, 5200, 6000))
      .at(6100, 101, sample_fault(copy_on_write(), 6810))
      .at(7500, 101, sample_exit(ExitReason::kPageFault, 6960, 7500))
      .at(7600, 101, sample_fault(gather_segv(), 8310))
      .at(8400, 101, Signal{.number = 11, .code = 1, .address = Gva(0x123000), .action = SignalAction::kKilled})
      .at(8500, 101, exit)
      .at(8600, 100, Switch{.from = 101})
      .at(9000, 100, sample_exit(ExitReason::kInterrupted, 8700, 9000))
      .at(9400, 100, sample_exit(ExitReason::kException, 9100, 9400))
      .at(9900, 100, sample_exit(ExitReason::kFatal, 9500, 9900))
      .at(10000, 100, End{.reason = "exited", .status = 139});
  return list.events();
}

}  // namespace faultline::vmm::recording
