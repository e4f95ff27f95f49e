// The signal that takes a vCPU's thread out of KVM_RUN. Its handler does nothing: that KVM_RUN
// returns is all that is wanted. Process-wide by nature; installed once, never removed.
#pragma once

#include <sys/types.h>

#include <atomic>

#include "vmm/kvm/kvm_header.hpp"

namespace faultline::vmm::kvm {

void install_kick_signal();
void unblock_kick_signal();  // in the calling thread
// Makes KVM_RUN of this vCPU return, or the next one if there is none. `thread`: the one in KVM_RUN
// or on its way, 0 for none. Async-signal-safe, from any thread; whoever enters again clears
// run.immediate_exit first.
void kick_out(kvm_run& run, const std::atomic<pid_t>& thread);

}  // namespace faultline::vmm::kvm
