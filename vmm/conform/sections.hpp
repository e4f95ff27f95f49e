// The sections of the matrix. Their ids, dimensions and values are what case numbers are made of:
// add at the end only.
#pragma once

#include "vmm/conform/matrix.hpp"

namespace faultline::vmm::conform {

Section leaf_section(const model::Cpu& cpu);
Section upper_section(const model::Cpu& cpu);
Section bits_section(const model::Cpu& cpu);
Section instructions_section(const model::Cpu& cpu);
Section straddle_section(const model::Cpu& cpu);
Section canonical_section(const model::Cpu& cpu);
Section stale_section(const model::Cpu& cpu);
Section keys_section(const model::Cpu& cpu);
// Flags of every level at once, with four or five levels.
Section flags_section(const model::Cpu& cpu, unsigned id, model::Paging paging);
Section frames_section(const model::Cpu& cpu);
Section two_level_section(const model::Cpu& cpu);
Section pae_section(const model::Cpu& cpu);
Section pdpte_section(const model::Cpu& cpu);
Section implicit_section(const model::Cpu& cpu);
Section memory_section(const model::Cpu& cpu);
Section pcid_section(const model::Cpu& cpu);

}  // namespace faultline::vmm::conform
