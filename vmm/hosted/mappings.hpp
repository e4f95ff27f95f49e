// What is mapped in the stub: the VMM's own book of it. Neighbours that the kernel merges into
// one mapping (pages and frames consecutive, protection equal) are one range here as well, so
// that the count of ranges is the count of the kernel's mappings.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "mmu/base/address.hpp"

namespace faultline::vmm::hosted {

class Mappings {
 public:
  struct Pages {
    Vpn first;
    std::uint64_t count = 0;
    bool operator==(const Pages&) const = default;
  };

  // Notes `pages.count` pages from `frame` on, in place of what was there.
  void add(Pages pages, Gfn frame, int protection);
  // Forgets [start, end). False: nothing was mapped there.
  bool remove(Vpn start, Vpn end);
  void clear() { ranges_.clear(); }

  // Whether `page` is mapped to this frame with this protection.
  [[nodiscard]] bool has(Vpn page, Gfn frame, int protection) const;
  [[nodiscard]] std::size_t count() const { return ranges_.size(); }
  // Forgets the half of the ranges that was last changed longest ago, and returns them.
  std::vector<Pages> take_older_half();

 private:
  struct Range {
    std::uint64_t pages = 0, frame = 0;
    std::uint64_t changed = 0;  // by clock_
    int protection = 0;
  };
  using Map = std::map<std::uint64_t, Range>;  // by the number of the first page
  void split(std::uint64_t at);
  Map::iterator merge_with_next(Map::iterator it);

  Map ranges_;
  std::uint64_t clock_ = 0;
};

}  // namespace faultline::vmm::hosted
