// Uses faultline::mmu alone: four levels of page tables written by hand, walked by the library.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>

#include "mmu/pgtable/walk.hpp"

using namespace faultline;

int main() {
  constexpr std::size_t kFrames = 16;
  auto* memory = static_cast<std::byte*>(std::aligned_alloc(kPageSize, kFrames * kPageSize));
  std::memset(memory, 0, kFrames * kPageSize);
  const mmu::PhysMemory physical({memory, kFrames * kPageSize});

  const Gva address(0x7654'3210'f123);
  for (std::uint64_t level = 4; level >= 1; --level) {
    const Gfn table(5 - level), next(level == 1 ? 9 : 6 - level);
    const std::uint64_t index = address.raw() >> (12 + 9 * (level - 1)) & 511;
    const std::uint64_t entry = mmu::Pte::make(next, mmu::Pte::kTableFlags).raw();
    std::memcpy(physical.at(Gpa(table) + index * 8), &entry, sizeof entry);
  }

  const mmu::Walk walk = mmu::walk(physical, Gfn(1), mmu::PagingMode::kFourLevel, address);
  const bool right = walk.mapped() && walk.count == 4 && walk.physical() == Gpa(0x9123);
  const bool absent = !mmu::walk(physical, Gfn(1), mmu::PagingMode::kFourLevel, address + kPageSize).mapped();
  std::printf("%s\n", right && absent ? "walked" : "wrong");
  std::free(memory);
  return right && absent ? 0 : 1;
}
