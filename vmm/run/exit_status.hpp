// Exit statuses of `faultline` that are not the guest's own. Documented in faultline(1).
#pragma once

namespace faultline::vmm {

inline constexpr int kExitUsage = 2;        // bad options
inline constexpr int kExitOops = 122;       // a kernel program died of a fault (run --kernel)
inline constexpr int kExitVcpuDied = 123;   // triple fault, an exit that nothing handles, tampered page tables
inline constexpr int kExitLimit = 124;      // time, exits or a fault storm
inline constexpr int kExitHarness = 125;    // the harness or the host failed
inline constexpr int kExitCannotRun = 126;  // found, but cannot be executed
inline constexpr int kExitNotFound = 127;

}  // namespace faultline::vmm
