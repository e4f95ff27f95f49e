// The one file that GDB may read through us: the program that is debugged, so that "target remote"
// alone finds its symbols. GDB manual, "Host I/O Packets".
#pragma once

#include <string>

#include "vmm/gdb/packet.hpp"
#include "vmm/linux_abi/task.hpp"

namespace faultline::vmm::gdb {

class ProgramFile {
 public:
  // The reply to "vFile:" and what follows. Empty: an operation that is not known.
  std::string handle(Scanner in, const linux_abi::Task& task) const;
};

}  // namespace faultline::vmm::gdb
