// The signal that takes a vCPU's thread out of KVM_RUN. Its handler does nothing: that KVM_RUN
// returns is all that is wanted. Process-wide by nature; installed once, never removed.
#pragma once

#include <sys/types.h>

namespace faultline::vmm::kvm {

void install_kick_signal();
void unblock_kick_signal();  // in the calling thread
// Async-signal-safe.
void send_kick_signal(pid_t thread);

}  // namespace faultline::vmm::kvm
