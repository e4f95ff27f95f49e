// The kernel's own record of user page faults: the tracepoint exceptions:page_fault_user.
#pragma once

#include <cstdint>
#include <string>

namespace faultline::vmm {

// The tracepoint of this kernel, or why it cannot be used here.
struct FaultTracepoint {
  std::uint64_t id = 0;
  std::uint64_t address_at = 0, ip_at = 0, error_at = 0;  // offsets in the raw sample, of 8 bytes each
  std::string why_not = {};
};

// Reads tracefs, through a mount of its own that no path leads to where none is mounted.
FaultTracepoint find_fault_tracepoint();

}  // namespace faultline::vmm
