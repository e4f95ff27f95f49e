// Page-table entries that go with a mapping to another place (Linux move_page_tables).
#pragma once

#include "mmu/space/address_space.hpp"

namespace faultline::mmu {

// Moves the entries of [from, from + length) to [to, to + length), both page aligned and apart from
// each other. Where a table cannot be had, everything stays where it is: false.
//
// A table that spans what is moved is at the new place afterwards, whether it has pages or not; one
// that is moved whole is gone from the old place. Faults behind the end of a file show both.
bool move_page_tables(AddressSpace& mm, Gva from, Gva to, std::uint64_t length);

}  // namespace faultline::mmu
