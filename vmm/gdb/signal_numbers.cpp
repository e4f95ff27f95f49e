#include "vmm/gdb/signal_numbers.hpp"

#include <algorithm>
#include <array>
#include <csignal>

namespace faultline::vmm::gdb {
namespace {

// Position n: Linux signal n + 1.
constexpr std::array<int, 31> kGdbOf = {
    1,  2,  3,  4,  5,  6,  10, 8,   // HUP INT QUIT ILL TRAP ABRT BUS FPE
    9,  30, 11, 31, 13, 14, 15, 0,   // KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT
    20, 19, 17, 18, 21, 22, 16, 24,  // CHLD CONT STOP TSTP TTIN TTOU URG XCPU
    25, 26, 27, 28, 23, 32, 12,      // XFSZ VTALRM PROF WINCH IO PWR SYS
};
// Real-time signals: 33 to 63 in a row, 32 and 64 elsewhere.
constexpr int kLinux33 = 33, kLinux63 = 63, kGdb33 = 45, kGdb32 = 77, kGdb64 = 78;

}  // namespace

int to_gdb_signal(int n) {
  if (n >= 1 && n <= static_cast<int>(kGdbOf.size())) return kGdbOf[static_cast<std::size_t>(n) - 1];
  if (n >= kLinux33 && n <= kLinux63) return n - kLinux33 + kGdb33;
  if (n == 32) return kGdb32;
  return n == 64 ? kGdb64 : 0;
}

int to_linux_signal(int n) {
  if (n == 0) return 0;
  if (n >= kGdb33 && n <= kGdb33 + kLinux63 - kLinux33) return n - kGdb33 + kLinux33;
  if (n == kGdb32) return 32;
  if (n == kGdb64) return 64;
  const auto* found = std::ranges::find(kGdbOf, n);
  return found == kGdbOf.end() ? 0 : static_cast<int>(found - kGdbOf.begin()) + 1;
}

}  // namespace faultline::vmm::gdb
