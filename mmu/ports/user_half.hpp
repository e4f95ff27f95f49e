// A machine may have something of its own in the user half of the guest's address spaces, where
// the guest has nothing: the hosted backend, whose guests share an address space with a few pages
// of code. Before a range is given to the guest, the machine has to get out of it.
#pragma once

#include <functional>

#include "mmu/base/address.hpp"

namespace faultline::mmu {

class UserHalf {
 public:
  // Whether the guest has nothing in [start, end).
  using IsFree = std::function<bool(Gva start, Gva end)>;

  virtual ~UserHalf() = default;
  // [start, end) is about to be the guest's. False: what the machine has there can go nowhere
  // else, and the range cannot be given away. Called while no vCPU runs.
  [[nodiscard]] virtual bool make_way(Gva start, Gva end, const IsFree& is_free) = 0;
};

}  // namespace faultline::mmu
