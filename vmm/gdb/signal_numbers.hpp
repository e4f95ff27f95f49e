// GDB has signal numbers of its own (GDB manual, "Stop Reply Packets": they are those of gdb/signals.def,
// the same for every system).
#pragma once

namespace faultline::vmm::gdb {

// GDB's number for a signal of Linux, and back; 0 for what the other side does not have.
int to_gdb_signal(int linux_signal);
int to_linux_signal(int gdb_signal);

}  // namespace faultline::vmm::gdb
