// One case: entries, controls, an access, and perhaps changes in between.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tests/model/predict.hpp"
#include "vmm/conform/feature.hpp"
#include "vmm/conform/form.hpp"
#include "vmm/conform/layout.hpp"

namespace faultline::vmm::conform {

// Where the page under test lies.
enum class Region : std::uint8_t {
  kLower,         // user half
  kUpper,         // supervisor half
  kLowerEdge,     // the last page of the user half: what follows is not canonical
  kNonCanonical,  // the first pages behind it
};
// Its address: the last page of an entry of the root level.
Gva region_address(model::Paging paging, Region region);
// Index in the root of the page under test; the page behind it has the next one.
unsigned region_root_index(model::Paging paging, Region region);
// Levels of tables. PAE has three here: MOV to CR3 reads its PDPTEs from memory.
constexpr unsigned table_levels(model::Paging paging) {
  return paging == model::Paging::kPae ? 3 : model::memory_levels(paging);
}

// The levels 1 to 5 of a path; 0 is unused.
using Path = std::array<std::uint64_t, 6>;

// What may happen between the set-up and the access under test.
enum class Flush : std::uint8_t {
  kNone,
  kInvlpg,
  kReloadCr3,
  kTogglePge,
  kInvpcidAddress,  // INVPCID, types 0 to 3
  kInvpcidContext,
  kInvpcidAll,
  kInvpcidAllButGlobal,
};
constexpr bool is_invpcid(Flush flush) { return flush >= Flush::kInvpcidAddress; }
// Under which PCIDs a change happens: those of the first access, of the store with its invalidation, and of the access
// under test. `keep`: bit 63 of the second and third MOV to CR3.
struct Pcids {
  unsigned first = 0, store = 0, last = 0;
  bool keep = false;
  unsigned invalidated = 0;  // the operand of INVPCID
};
struct Change {
  unsigned level = 1;       // of the path to page A
  std::uint64_t value = 0;  // stored by the guest
  Flush flush = Flush::kNone;
  unsigned warm_form = kRead8;  // the access before it, which may fill the caches
  bool warm_user = false;
  std::optional<Pcids> pcids = std::nullopt;
};

// Where the table of one level on the way to page A lies.
enum class Storage : std::uint8_t { kRam, kReadOnly, kAbsent };

struct Case {
  std::uint64_t number = 0;
  unsigned section = 0;
  model::Controls controls;
  Region region = Region::kLower;
  std::uint64_t offset = 0;  // of the operand, in page A
  unsigned leaf_a = 1, leaf_b = 1;
  Path a{}, b{};
  unsigned form = kRead8;
  bool user = false, ac = false;
  std::optional<Change> change;
  bool both = false;  // page B has its tables although the access does not reach it
  Storage storage = Storage::kRam;
  unsigned stored_level = 0;  // whose table lies in `storage`
  FeatureSet needs;

  [[nodiscard]] const Form& instruction() const { return forms()[form]; }
  [[nodiscard]] Gva address() const;
  [[nodiscard]] unsigned root_level() const { return table_levels(controls.paging); }
  // True when the guest cannot store the entry of page A at `level`.
  [[nodiscard]] bool out_of_ram(unsigned level) const { return storage != Storage::kRam && level == stored_level; }
  // True when the access reaches into page B.
  [[nodiscard]] bool straddles() const;
  // True when page B has tables of its own.
  [[nodiscard]] bool second_page() const { return both || (straddles() && region != Region::kLowerEdge); }
  // Bytes of the instruction under test's own access: a fetch has as many as stand there.
  [[nodiscard]] unsigned touch_bytes(unsigned touch) const;
  // The guest-physical slots of the entries.
  [[nodiscard]] Gpa slot_a(unsigned level) const;
  [[nodiscard]] Gpa slot_b(unsigned level) const;
};

// The read-only table of `level` whose last entry has the flags of `entry`.
Gpa read_only_table(unsigned level, std::uint64_t entry);
// Adds what an entry points to: the table below, or the page where `leaf` is its level.
std::uint64_t entry_a(unsigned level, unsigned leaf, std::uint64_t flags,
                      model::Paging paging = model::Paging::kFourLevel);
std::uint64_t entry_b(unsigned level, unsigned leaf, std::uint64_t flags,
                      model::Paging paging = model::Paging::kFourLevel);

}  // namespace faultline::vmm::conform
