// The code that makes a program's accesses in the guest, and the list that it goes through: two
// pages of shared memory that every address space of the program maps, far from every window. An
// access that does not fault costs no exit.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "mmu/space/address_space.hpp"
#include "vmm/fuzz/guest/engine_layout.h"
#include "vmm/fuzz/layout.hpp"
#include "vmm/fuzz/program.hpp"

namespace faultline::vmm::fuzz {

class Engine {
 public:
  static constexpr Gva kCode{kEngineAt}, kList = kCode + FLE_LIST, kEnd{kEngineEnd};
  // RFLAGS in user code; and with the one that steps a fetch.
  static constexpr std::uint64_t kFlags = 0x202, kTrapFlag = 0x100;
  // Accesses in one list; the record behind the last one is the end.
  static constexpr std::size_t kMaxRecords = kPageSize / FLE_RECORD_BYTES - 1;

  // Takes two frames of `frames`, which outlives this. Error: memory is short.
  static Result<Engine> create(mmu::FrameAllocator& frames);

  // Maps it in `mm`, unless a fork did that already, and makes it present. Nothing of that counts
  // as a fault of the program. Error: memory is short.
  Result<void> install(mmu::AddressSpace& mm) const;
  // After a fault there. False: the page cannot be had.
  static bool resolve(mmu::AddressSpace& mm, Gva address);

  // Writes the list, with the handler `end` behind it (FLE_END, FLE_STEP). Precondition: at most
  // kMaxRecords, each of OpClass::kAccess.
  void write(std::span<const Operation> accesses, unsigned end);
  // What the access `index` loaded; nothing for those that only store.
  [[nodiscard]] std::span<const std::uint8_t> loaded(std::size_t index, const Operation& access) const;

  // Where a part of the engine is in the guest (FLE_START, FLE_NEXT, FLE_END, FLE_STEP).
  [[nodiscard]] static constexpr Gva part(unsigned number) { return kCode + number * std::uint64_t{FLE_HANDLER_BYTES}; }
  [[nodiscard]] static constexpr Gva record(std::size_t index) { return kList + index * FLE_RECORD_BYTES; }
  // The record that R14 points to. Precondition: `pointer` is what the engine had there.
  [[nodiscard]] static constexpr std::size_t index_of(std::uint64_t pointer) {
    return (pointer - kList.raw()) / FLE_RECORD_BYTES;
  }
  // The frames of the code and of the list.
  [[nodiscard]] Gfn code_frame() const { return code_; }
  [[nodiscard]] Gfn list_frame() const { return list_; }

 private:
  Engine(std::shared_ptr<mmu::FileMapping> memory, mmu::PhysMemory ram, Gfn code, Gfn list)
      : memory_(std::move(memory)), ram_(ram), code_(code), list_(list) {}
  [[nodiscard]] std::span<std::byte, FLE_RECORD_BYTES> bytes(std::size_t index) const;

  std::shared_ptr<mmu::FileMapping> memory_;
  mmu::PhysMemory ram_;
  Gfn code_, list_;
};

}  // namespace faultline::vmm::fuzz
