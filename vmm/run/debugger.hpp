// Somebody who watches the guest from outside, as ptrace's tracer would, and may hold it. Called by
// the run loop, on its thread; while a call does not return, the guest and its time stand still.
// Without one, asking costs one test of a pointer.
#pragma once

#include <cstdint>
#include <functional>

#include "vmm/port/vcpu.hpp"

namespace faultline::vmm {

namespace linux_abi {
class Task;
}

class Debugger {
 public:
  virtual ~Debugger() = default;

  // Before anything runs. `let_go`: whether the run has to go on, or end, whatever the debugger
  // wants (a signal for the harness, the time limit); to be asked every now and then while it
  // holds the guest.
  virtual void begin(std::function<bool()> let_go) = 0;
  // Once a turn, whoever has it. `loaded`: the task whose state is in the vCPU; null: none.
  virtual void look(linux_abi::Task* loaded) = 0;
  // Pending signals of `task` are about to be delivered. It is the loaded one, here and below.
  virtual void before_signals(linux_abi::Task& task) = 0;
  // `task` is about to be run. False: not now, its signals first.
  virtual bool before_run(linux_abi::Task& task) = 0;
  // It ran; follows every before_run() that said yes. True: what happened is the debugger's own
  // doing, and the guest is not told.
  virtual bool after_run(linux_abi::Task& task, const VcpuEvent& event) = 0;
  // `task` has ended; its memory is still there.
  virtual void ended(linux_abi::Task& task) = 0;
  // Nothing runs any more, ended or not.
  virtual void finish() = 0;

  // How long it has held the guest in all: nobody's processor time.
  [[nodiscard]] virtual std::uint64_t held_ns() const = 0;
};

}  // namespace faultline::vmm
