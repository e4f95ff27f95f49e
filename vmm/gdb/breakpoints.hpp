// Breakpoints that nobody but the processor ever sees: INT3 is put into the page of the code right
// before the vCPU runs the process, and taken out when it comes back. In between nobody else looks:
// there is one vCPU, and the host reads guest memory only while it stands still. So other
// processes, system calls, files and copies never meet an INT3; no page is copied for one, nothing
// is faulted in for one. A page that is not in the page tables has none: before the process can
// execute there it has to fault, and the next run finds the page.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "mmu/space/address_space.hpp"

namespace faultline::vmm::gdb {

enum class BreakKind : std::uint8_t { kSoftware, kHardware };  // how GDB asked for it

class Breakpoints {
 public:
  static constexpr std::size_t kMost = 1024;

  // False: there are kMost already.
  bool add(Gva address, BreakKind kind);
  // Taking away what is not there is fine.
  void remove(Gva address, BreakKind kind);
  void clear() { points_.clear(); }
  [[nodiscard]] bool empty() const { return points_.empty(); }

  // Before the vCPU runs. Precondition: not in.
  void put_in(const mmu::AddressSpace& mm);
  // After it ran. What the guest itself has written there meanwhile stays.
  void take_out();
  // The breakpoint at `address` was in during the last run: how GDB asked for it, software first.
  [[nodiscard]] const BreakKind* hit(Gva address) const;

 private:
  struct Asked {
    bool software = false, hardware = false;
  };
  struct In {
    Gva address;
    std::byte* where = nullptr;
    std::byte before{};
    BreakKind kind{};
  };
  std::map<Gva, Asked> points_;
  std::vector<In> in_;  // of the run in progress, or the last one
};

}  // namespace faultline::vmm::gdb
