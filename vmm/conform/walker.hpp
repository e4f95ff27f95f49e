// A walker under comparison, by a narrow port: one access to one page in, what came of it out.
// mmu's own is mmu_walker(); tests have copies of it with a mistake planted in each.
#pragma once

#include <functional>
#include <span>

#include "tests/model/access.hpp"
#include "tests/model/cpu.hpp"

namespace faultline::vmm::conform {

struct WalkerQuestion {
  std::span<std::byte> memory;  // whole frames, from guest-physical 0
  Gfn root;
  model::Cpu cpu;
  model::Controls controls;  // PAE: CR3 is loaded before the access
  Gva address;
  model::Kind kind = model::Kind::kRead;
  bool user = false, implicit = false, ac = false, stack = false;
  // What another processor does between the reading of the entries and the setting of A and D.
  const std::function<void()>* meanwhile = nullptr;
};

// What a walker says that is led to where there is no memory.
inline constexpr unsigned kOutsideMemory = 0xfe;

struct WalkerAnswer {
  unsigned vector = 0xff;  // model::kNoFault
  std::uint32_t error = 0;
  Gpa physical;  // of the address, where it did not fault
};

using Walker = WalkerAnswer (*)(const WalkerQuestion&);
WalkerAnswer mmu_walker(const WalkerQuestion& question);

}  // namespace faultline::vmm::conform
