// The faults of user code in a fault log of `faultline run --fault-log FILE --fault-format jsonl`.
#pragma once

#include <cstdint>
#include <string>

#include "tests/differential/judge/user_fault.hpp"

namespace faultline::test {

struct GuestFaults {
  FaultHistory history = {};
  bool copies_failed = false;  // some system call was given memory that it could not use
};

// `problem` is set when the log cannot be read, has a line that is no record, or misses records.
GuestFaults guest_faults(const std::string& log, std::string& problem);

// What the guest's kernel would have counted as PERF_COUNT_SW_PAGE_FAULTS: from the statistics that
// `faultline run --stats-json FILE` writes. `problem` is set when they cannot be read.
std::uint64_t guest_page_faults(const std::string& statistics, std::string& problem);

}  // namespace faultline::test
