// A trace of the accesses to pages of devices (Linux kmmio and mmiotrace): the page is hidden; the
// access faults, is made with the page shown, and the page hidden again behind the instruction.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "mmu/kernel/hooks.hpp"
#include "mmu/kernel/trap_pages.hpp"

namespace faultline::mmu {

// One access by one instruction.
struct MmioAccess {
  std::uint64_t number = 0;  // from 1
  Gva ip;
  Gva address;
  Gpa physical;
  bool write = false;
  unsigned bytes = 0;
  std::uint64_t value = 0;
};

class Kmmio {
 public:
  using Report = std::function<void(const MmioAccess&)>;

  // Asks to be asked. Both must outlive this.
  Kmmio(KernelHooks& hooks, KernelTables& tables, Report report);
  ~Kmmio() { hooks_.remove(id_); }
  Kmmio(const Kmmio&) = delete;
  Kmmio& operator=(const Kmmio&) = delete;

  // Traces the page of `va` from now on. False when no page is mapped there.
  bool trace(Gva va) { return pages_.add(va); }
  bool untrace(Gva va) { return pages_.remove(va); }

  // The bus saw this, while the instruction was made.
  void bus(Gpa physical, bool write, unsigned bytes, std::uint64_t value);
  // The instruction is done. False when it was not one that this asked to hear of.
  bool stepped();

 private:
  struct Pending {
    Gva ip, address;
    Gpa physical;  // of the page
  };
  HookVerdict fault(const FaultRequest& request);

  KernelHooks& hooks_;
  KernelTables& tables_;
  TrapPages pages_;
  Report report_;
  KernelHooks::Id id_;
  std::vector<Pending> pending_;  // of the instruction being made
  std::uint64_t count_ = 0;
};

}  // namespace faultline::mmu
