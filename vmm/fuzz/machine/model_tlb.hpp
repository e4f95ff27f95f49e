// What a processor has cached of page tables, if it never forgets anything by itself. SDM vol. 3A,
// "Caching Translation Information", "Operations that Invalidate TLBs and Paging-Structure Caches".
//
// tests/model/tlb.hpp gives every result that hardware may have. A judge needs one: the one that
// shows a missing invalidation if anything does. So a translation stays until the sink is told to
// drop it, INVLPG names it, or a fault at its page does ("a page-fault exception invalidates any TLB
// entries that would be used"); and it is used wherever it allows the access. Where it does not, the
// tables count: they may have got more rights without any invalidation, and a processor that faults
// then anyway is what Linux calls spurious.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "mmu/phys/phys_memory.hpp"
#include "mmu/ports/tlb_sink.hpp"
#include "tests/model/walk.hpp"

namespace faultline::vmm::fuzz {

class ModelTlb final : public mmu::TlbSink {
 public:
  explicit ModelTlb(mmu::PhysMemory memory) : memory_(memory) {}

  struct Page {
    Gpa root;
    Vpn page;
    Gfn frame;
    bool write = false, execute = false;
    bool dirty = false;  // Dirty is known to be set: a store need not look at the tables
    [[nodiscard]] bool allows_write() const { return write && dirty; }
  };
  [[nodiscard]] const Page* find(Gpa root, Vpn page) const;
  // The access was made by the entries of `used`; `stored`: it set Dirty.
  void fill(Gpa root, Vpn page, const model::Translation& used, bool stored);
  void drop(Gpa root, Vpn page);
  // INVLPG: the page, and what is cached of tables above any page of these tables.
  void invlpg(Gpa root, Vpn page);

  mmu::TlbAction flush(const mmu::TlbBatch& batch) override;
  [[nodiscard]] bool tables_reusable_after_flush() const override { return true; }
  mmu::TlbAction drop_all() override;

  // How often everything was dropped.
  [[nodiscard]] std::uint64_t drops() const { return drops_; }
  // Something cached that the tables do not say any more, and that allows more than they do.
  [[nodiscard]] std::optional<std::string> stale() const;

 private:
  // An entry that leads to a table: a paging-structure cache has it.
  struct Structure {
    Gpa root;
    unsigned level;
    std::uint64_t first, end;  // pages translated through it
    Gpa slot;
    Gfn table;
  };
  [[nodiscard]] std::uint64_t entry_at(Gpa slot) const;

  mmu::PhysMemory memory_;
  std::vector<Page> pages_;
  std::vector<Structure> structures_;
  std::uint64_t drops_ = 0;
};

}  // namespace faultline::vmm::fuzz
