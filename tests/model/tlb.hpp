// What a processor may still hold of older paging-structure entries. SDM vol. 3A, "Caching
// Translation Information", "Operations that Invalidate TLBs and Paging-Structure Caches".
//
// The model holds everything that may be cached and never drops anything on its own; hardware may
// have dropped any of it. So an access has all of these results: the one by the entries as they
// are, and those by whatever is held. An entry with P=0 or a reserved bit is never cached.
#pragma once

#include <map>
#include <span>

#include "tests/model/walk.hpp"

namespace faultline::model {

class Tlb final : public Memory {
 public:
  // All outlive this. `controls` as they are at each call: PGE decides what is global.
  Tlb(const Memory& memory, const Cpu& cpu, const Controls& controls)
      : memory_(memory), cpu_(cpu), controls_(controls) {}

  [[nodiscard]] std::optional<std::uint64_t> entry(Gpa slot, unsigned bytes) const override {
    return memory_.entry(slot, bytes);
  }
  [[nodiscard]] std::vector<std::uint64_t> cached_entries(Gpa slot) const override;
  [[nodiscard]] std::vector<Translation> cached_translations(Gva page) const override;

  // Software is about to store to the entry of `level` at `slot`. `pages`: those whose
  // translation goes through it and that are of interest later on.
  void before_store(Gpa slot, unsigned level, std::span<const Gva> pages);

  // INVLPG: the page, global or not, and all paging-structure caches, of the current PCID.
  void invlpg(Gva page);
  // MOV to CR3. `keep`: bit 63 of its operand with CR4.PCIDE: nothing of the new PCID is dropped.
  void load_cr3(unsigned pcid = 0, bool keep = false);
  // A MOV to CR4 that changes PGE; also what INVPCID type 2 does.
  void flush_all();
  // INVPCID types 0, 1 and 3.
  void invpcid_address(unsigned pcid, Gva page);
  void invpcid_context(unsigned pcid);
  void invpcid_all_but_global();

 private:
  struct HeldEntry {
    std::uint64_t value;
    unsigned pcid;
  };
  struct HeldPage {
    Translation translation;
    unsigned pcid;
  };
  void drop_entries(unsigned pcid);

  const Memory& memory_;
  const Cpu& cpu_;
  const Controls& controls_;
  unsigned pcid_ = 0;
  std::map<std::uint64_t, std::vector<HeldEntry>> entries_;  // by slot
  std::map<std::uint64_t, std::vector<HeldPage>> pages_;     // by page
};

}  // namespace faultline::model
