// What is there when a program is over: VMAs, pages, content. Looked at, not touched.
#pragma once

#include "vmm/fuzz/machine/world.hpp"
#include "vmm/fuzz/trace.hpp"

namespace faultline::vmm::fuzz {

[[nodiscard]] std::vector<SeenProcess> end_state(const World& world, const Processor& processor);

}  // namespace faultline::vmm::fuzz
