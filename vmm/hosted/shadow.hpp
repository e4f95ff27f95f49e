// The shadow MMU: answers the stub's faults from the guest's page tables, by mappings of guest
// RAM in the stub. Does what the CPU's walker does: checks rights (SDM vol. 3A, "Determination
// of Access Rights") and sets Accessed and Dirty ("Accessed and Dirty Flags"). A page whose Dirty
// bit is clear is mapped read-only until it is written to.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "mmu/pgtable/walk.hpp"
#include "vmm/hosted/mappings.hpp"
#include "vmm/hosted/stub_process.hpp"

namespace faultline::vmm::hosted {

// How guests page here.
inline constexpr auto kMode = mmu::PagingMode::kFourLevel;

struct ShadowStatistics {
  std::uint64_t mapped = 0;     // mapping calls asked for
  std::uint64_t evictions = 0;  // times that the number of mappings came near the limit
};

class Shadow {
 public:
  // `limit`: how many mappings the stub may have.
  Shadow(StubProcess& stub, mmu::PhysMemory memory, std::size_t limit) : stub_(stub), memory_(memory), limit_(limit) {}

  enum class Answer : std::uint8_t {
    kMapped,      // the guest's tables allow it, and the stub has it from its next run on
    kNotPresent,  // they don't: no translation
    kReserved,    // a reserved bit
    kProtection,  // a translation without that right
    kCollision,   // they do, at an address that is the stub's own
  };
  // A user access to `address` of the kind in `error` (W, I).
  Answer resolve(Gva address, mmu::ErrorCode error);

  // Reads what the guest's tables have at `from`, for the backend itself: no right is checked, no
  // bit is set. Returns the bytes read, fewer where something is not mapped.
  std::size_t read(Gva from, std::span<std::byte> to) const;

  void set_root(Gfn root);
  [[nodiscard]] Gfn root() const { return root_; }
  // Removes what is mapped in [start, end), before the guest's next instruction.
  void flush(Gva start, Gva end);
  void drop_all();
  // The stub is another one, which has nothing mapped.
  void forget_all() { mappings_.clear(); }

  [[nodiscard]] std::size_t mappings() const { return mappings_.count(); }
  [[nodiscard]] const ShadowStatistics& statistics() const { return statistics_; }

 private:
  void mark(const mmu::Walk& walk, bool write);
  void map_around(const mmu::Walk& walk);
  void map(Mappings::Pages pages, Gfn frame, Protection protection);
  void make_room();

  StubProcess& stub_;
  mmu::PhysMemory memory_;
  std::size_t limit_;
  Gfn root_;
  Mappings mappings_;
  ShadowStatistics statistics_;
};

}  // namespace faultline::vmm::hosted
