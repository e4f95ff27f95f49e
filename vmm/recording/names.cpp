// Names of kinds, as every view of a recording prints them.
#include "vmm/recording/event.hpp"

namespace faultline::vmm::recording {

std::string_view name(ExitReason reason) {
  switch (reason) {
    case ExitReason::kPageFault: return "page-fault";
    case ExitReason::kSyscall: return "syscall";
    case ExitReason::kException: return "exception";
    case ExitReason::kInterrupted: return "interrupted";
    case ExitReason::kFatal: return "fatal";
  }
  return {};
}

std::string_view name(SignalAction action) {
  switch (action) {
    case SignalAction::kHandler: return "handler";
    case SignalAction::kKilled: return "killed";
    case SignalAction::kStopped: return "stopped";
    case SignalAction::kContinued: return "continued";
    case SignalAction::kIgnored: return "ignored";
  }
  return {};
}

std::string_view name(ProcessEvent event) {
  switch (event) {
    case ProcessEvent::kStart: return "start";
    case ProcessEvent::kFork: return "fork";
    case ProcessEvent::kExec: return "exec";
    case ProcessEvent::kExit: return "exit";
  }
  return {};
}

}  // namespace faultline::vmm::recording
