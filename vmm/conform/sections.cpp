#include "vmm/conform/sections.hpp"

namespace faultline::vmm::conform {

std::vector<Section> make_matrix(const model::Cpu& cpu) {
  return {leaf_section(cpu),
          upper_section(cpu),
          bits_section(cpu),
          instructions_section(cpu),
          straddle_section(cpu),
          canonical_section(cpu),
          stale_section(cpu),
          keys_section(cpu),
          flags_section(cpu, 9, model::Paging::kFourLevel),
          flags_section(cpu, 10, model::Paging::kFiveLevel),
          frames_section(cpu),
          two_level_section(cpu),
          pae_section(cpu),
          pdpte_section(cpu),
          implicit_section(cpu),
          memory_section(cpu),
          pcid_section(cpu)};
}

}  // namespace faultline::vmm::conform
