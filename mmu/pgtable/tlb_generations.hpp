// What became stale in which address space, for CPUs that keep translations of several of them.
//
// Nobody is told of an invalidation: the address space gets a higher generation, and a CPU that is
// about to use it compares that with the one that it caught up with last (pgtable/asid_cache.hpp).
// Linux has mm->context.ctx_id and mm->context.tlb_gen for it (arch/x86/include/asm/mmu.h), and
// inc_mm_tlb_gen() in arch/x86/mm/tlb.c.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include "mmu/ports/tlb_sink.hpp"

namespace faultline::mmu {

// An address space as it is now. The frame of a root serves one address space after the other;
// an id is never given twice.
struct TlbContext {
  std::uint64_t id = 0;  // 0: of none
  std::uint64_t generation = 0;
  std::uint64_t kernel = 0;  // a generation as well: of the kernel half, which all of them share
  bool operator==(const TlbContext&) const = default;
};

class TlbGenerations {
 public:
  // Beyond these it is cheaper to drop all of an address space (Linux tlb_single_page_flush_ceiling).
  static constexpr std::uint64_t kMaxPages = 33;
  // So many invalidations of an address space are known one by one.
  static constexpr std::uint64_t kHistory = 4;

  // The one with this root; a life begins where there was none.
  TlbContext of(Gpa root);
  // What of() gave is still a life, whatever its generation is by now.
  [[nodiscard]] bool lives(Gpa root, std::uint64_t id) const;

  // What `batch` names is stale. Translations of the kernel half are shared, and may be global pages.
  void flush(const TlbBatch& batch);
  // Tables and frames of the one at `root` may be used for anything from here on.
  void end(Gpa root);
  // The same for all: nothing is known of any translation.
  void end_all();

  // The pages of the address space at `root` (4 KiB each, whatever maps them) that became stale since
  // `generation`. Nothing: too many, or tables were unlinked; all of it is to be dropped.
  [[nodiscard]] std::optional<std::vector<Gva>> stale_since(Gpa root, std::uint64_t generation) const;

 private:
  // What one step to the next generation made stale; no pages: anything.
  struct Stale {
    Gva start;
    std::uint64_t pages = 0;
  };
  struct Space {
    std::uint64_t id = 0, generation = 1;
    std::array<Stale, kHistory> steps;  // by generation, modulo
  };
  std::uint64_t last_id_ = 0;
  std::uint64_t kernel_ = 1;
  std::unordered_map<Gpa, Space> spaces_;
};

}  // namespace faultline::mmu
