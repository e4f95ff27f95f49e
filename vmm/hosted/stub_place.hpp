// Where the stub's region lies in the guest's address space: by chance, so that no guest finds it,
// and out of the way of what the guest maps (mmu/ports/user_half.hpp).
#pragma once

#include <functional>
#include <optional>

#include "mmu/base/address.hpp"
#include "vmm/hosted/stub_layout.h"

namespace faultline::vmm::hosted {

struct StubPlace {
  Gva start;  // of FLH_REGION_BYTES

  [[nodiscard]] Gva end() const { return start + FLH_REGION_BYTES; }
  [[nodiscard]] Gva at(std::uint64_t offset) const { return start + offset; }
  [[nodiscard]] bool contains(Gva address) const { return address >= start && address < end(); }
  [[nodiscard]] bool overlaps(Gva from, Gva to) const { return from < end() && start < to; }
  bool operator==(const StubPlace&) const = default;
};

// A place chosen by chance from 2^34 pages, where `is_free` says that nothing is, if possible
// within a gigabyte of it either. Nothing: none was found in some hundred attempts.
[[nodiscard]] std::optional<StubPlace> find_place(const std::function<bool(Gva start, Gva end)>& is_free);

}  // namespace faultline::vmm::hosted
