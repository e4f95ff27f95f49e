// Files that exist natively and as FileMappings, with the same bytes.
#pragma once

#include "tests/unit/space/mirror.hpp"

namespace faultline::mmu::testing {

inline constexpr std::uint64_t kMirrorFilePages = 24;

// A memfd, a disk file, and a memfd each that can only be read and only be written.
std::vector<MirrorFile> make_mirror_files(World& world);
// Once the native process has them.
void close_mirror_files(const std::vector<MirrorFile>& files);

// How many random sequences to run: FAULTLINE_ORACLE_SEEDS, for a long search, or `usual`.
unsigned oracle_seeds(unsigned usual);

}  // namespace faultline::mmu::testing
