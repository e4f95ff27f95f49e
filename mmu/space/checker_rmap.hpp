// The checker's part for reverse maps: who is linked where, against what the links say.
#pragma once

#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "mmu/space/address_space.hpp"

namespace faultline::mmu {

using Contradiction = std::optional<std::string>;

// The links of all VMAs of all address spaces.
class ReverseMapCensus {
 public:
  // Takes `vma`, a VMA of `mm`, in; says what is wrong with its own links.
  Contradiction add(const AddressSpace& mm, const Vma& vma);
  // When all are in: the trees hold just these VMAs, and the counts of the anon_vmas are right.
  [[nodiscard]] Contradiction check(const std::unordered_set<const FileMapping*>& files) const;

 private:
  struct Seen {
    std::size_t links = 0;
    std::uint32_t active = 0;
  };
  Contradiction add_chain(const Vma& vma);
  [[nodiscard]] Contradiction check_anon_vma(const AnonVma& anon_vma, const Seen& seen, std::uint32_t children) const;

  std::unordered_map<const AnonVma*, Seen> anon_vmas_;
  std::unordered_map<const FileMapping*, std::size_t> file_links_;
};

// How many entries a reverse map walk from the frame finds.
[[nodiscard]] std::int32_t count_reverse_mappings(const FrameAllocator& frames, Gfn frame);

}  // namespace faultline::mmu
