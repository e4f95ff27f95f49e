// Faults with scripted hooks, and entries that change behind the back of every handler.
#pragma once

#include <cstring>

#include "tests/unit/support/fault_fixture.hpp"
#include "tests/unit/support/scripted_hooks.hpp"

namespace faultline::mmu {

class HookedFaultTest : public FaultTest {
 protected:
  void SetUp() override {
    FaultTest::SetUp();
    mm->fault_hooks = &hooks;
  }
  void poke(PteSlot slot, Pte value) {
    const std::uint64_t raw = value.raw();
    std::memcpy(g.frames.memory().at(slot.address()), &raw, sizeof raw);
  }
  ScriptedHooks hooks;
};

}  // namespace faultline::mmu
