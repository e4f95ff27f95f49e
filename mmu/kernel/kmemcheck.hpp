// Finds reads of memory that nobody wrote (Linux kmemcheck, until 4.14): each byte of a tracked page
// has a shadow; the page is hidden, so that every access comes by here.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <vector>

#include "mmu/kernel/hooks.hpp"
#include "mmu/kernel/trap_pages.hpp"

namespace faultline::mmu {

// Memory that an instruction touches.
struct MemoryAccess {
  Gva address;
  unsigned bytes = 0;
  bool read = false, write = false;
};

struct UninitialisedRead {
  Gva ip;
  Gva address;                  // of the first byte that nobody wrote
  unsigned bytes = 0;           // of the access
  std::uint64_t unwritten = 0;  // bit n: byte n of the access, of the first 64
};

class Kmemcheck {
 public:
  // What the instruction that faulted touches; all of it, where it cannot be told.
  using Describe = std::function<std::vector<MemoryAccess>(const FaultRequest&)>;
  using Report = std::function<void(const UninitialisedRead&)>;

  Kmemcheck(KernelHooks& hooks, KernelTables& tables, Describe describe, Report report);
  ~Kmemcheck() { hooks_.remove(id_); }
  Kmemcheck(const Kmemcheck&) = delete;
  Kmemcheck& operator=(const Kmemcheck&) = delete;

  // From now on no byte of the page of `va` counts as written. False when no page is mapped there.
  bool track(Gva va);
  // Not any more: the page is shown.
  bool untrack(Gva va);
  // The instruction is done. False when it was not one that this asked to hear of.
  bool stepped() { return pages_.hide(); }

 private:
  using Shadow = std::array<bool, kPageSize>;  // written
  HookVerdict fault(const FaultRequest& request);
  void check_read(Gva ip, const MemoryAccess& access);
  void mark_written(const MemoryAccess& access);
  // The shadow of one byte of an access; null: not tracked, or past the end of the address space.
  bool* shadow(const MemoryAccess& access, unsigned byte);

  KernelHooks& hooks_;
  TrapPages pages_;
  Describe describe_;
  Report report_;
  KernelHooks::Id id_;
  std::map<Gva, Shadow> shadows_;
};

}  // namespace faultline::mmu
