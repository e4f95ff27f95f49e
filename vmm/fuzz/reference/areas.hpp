// VMAs, as runs of equal pages, and Linux's rule for who may be one VMA with whom. Only mremap
// (which works on one VMA) and populating (which gives up at a VMA's end) can tell.
#pragma once

#include <vector>

#include "vmm/fuzz/reference/page.hpp"

namespace faultline::vmm::fuzz::reference {

struct Area {
  Vpn first, end;
};

// The VMA of a page. Precondition: `page` is mapped.
[[nodiscard]] Area area_of(const Pages& pages, Vpn page);
// The VMAs in [first, end), cut at its ends, in order.
[[nodiscard]] std::vector<Area> areas_in(const Pages& pages, Vpn first, Vpn end);

// Linux anon_vma_prepare for the VMA of `page`: it takes part in its neighbour's kin where
// find_mergeable_anon_vma would, else in `next_id`, which goes up then.
void prepare_kin(Pages& pages, Vpn page, std::uint64_t& next_id);
// Merges: memory without kin takes that of a neighbour from which nothing else keeps it apart.
void settle(Pages& pages);

}  // namespace faultline::vmm::fuzz::reference
