// What relations do to programs; relations.cpp says what stays equal, and why each may refuse.
#pragma once

#include <optional>

#include "vmm/fuzz/relations.hpp"

namespace faultline::vmm::fuzz {

using Transform = std::optional<Transformed>(const Program& program);

Transform repeat_program, split_maps, split_unmaps, invalidate_more, read_before_write, protect_to_the_same,
    advise_normal, lock_and_unlock, unmap_again, switch_again, sync_later, fork_and_exit;

}  // namespace faultline::vmm::fuzz
