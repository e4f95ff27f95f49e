// VMAs, as runs of equal pages, and Linux's rule for who may be one VMA with whom. Only mremap
// (which works on one VMA) and populating (which gives up at a VMA's end) can tell.
//
// Linux merges VMAs when a call looks at their border. What becomes equal otherwise stays two: locks
// end with a fork and with MREMAP_DONTUNMAP, and stacks grow until they meet. Page::seam says so.
#pragma once

#include <vector>

#include "vmm/fuzz/reference/page.hpp"

namespace faultline::vmm::fuzz::reference {

struct Area {
  Vpn first, end;
};

// The VMA of a page. Precondition: `page` is mapped.
[[nodiscard]] Area area_of(const Pages& pages, Vpn page);
// Whether a VMA begins with `page`, which is mapped.
[[nodiscard]] bool begins_area(const Pages& pages, Vpn page);
// The VMAs in [first, end), cut at its ends, in order.
[[nodiscard]] std::vector<Area> areas_in(const Pages& pages, Vpn first, Vpn end);

// Linux anon_vma_prepare for the VMA of `page`: it takes part in its neighbour's kin where
// find_mergeable_anon_vma would, else in `next_id`, which goes up then.
void prepare_kin(Pages& pages, Vpn page, std::uint64_t& next_id);
// Pages `page` and the one before it, of two VMAs, are what they are without a call that looked at
// their border. Does nothing where there is only one of them.
void leave_seam(Pages& pages, Vpn page);
// A call changed [first, end): Linux looks at both ends of it (vma_modify, vma_merge_new_range).
void look_at_borders(Pages& pages, Area changed);
// Merges: memory without kin takes that of a neighbour from which nothing else keeps it apart.
void settle(Pages& pages);

}  // namespace faultline::vmm::fuzz::reference
