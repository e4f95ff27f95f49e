// What the reference knows of one page of one process. Everything else (VMAs, rights, content) is
// read off a map of these; there are no tables, frames or caches.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>

#include "mmu/base/address.hpp"
#include "vmm/fuzz/program.hpp"

namespace faultline::vmm::fuzz::reference {

using Bytes = std::array<std::uint8_t, kPageSize>;

// What mappings show that are not private anonymous memory: a file, or (kNone) the memory behind
// one shared anonymous mapping.
struct Object {
  FileOperand file = FileOperand::kNone;
  std::uint64_t size = 0;                // bytes; the last page may hold more, which can be read and written
  std::map<std::uint64_t, Bytes> pages;  // by number; zeroes where there is none
  [[nodiscard]] bool has(std::uint64_t index) const { return index < page_align(size) >> kPageShift; }
};

// What makes two neighbours one VMA for Linux, offsets aside.
struct Traits {
  std::uint8_t prot = 0;  // PROT_*
  bool shared = false;
  std::shared_ptr<Object> object;  // null: private anonymous memory
  bool grows_down = false;
  bool locked = false, lock_on_fault = false;
  bool dont_fork = false, wipe_on_fork = false, dont_dump = false;
  bool no_reserve = false, accounted = false;  // VM_NORESERVE, VM_ACCOUNT: they keep VMAs apart
  int read_ahead = 0;                          // MADV_NORMAL, MADV_RANDOM or MADV_SEQUENTIAL
  bool operator==(const Traits&) const = default;
};

// Linux's anon_vma as far as it can be seen: VMAs of different kin never merge. 0: none as yet.
struct Kin {
  std::uint64_t id = 0;
  bool inherited = false;  // came by fork: it does not merge with memory that has none either
  bool operator==(const Kin&) const = default;
};

struct Page {
  Traits traits;
  std::uint64_t index = 0;  // page of the object; of private anonymous memory: where it was first used
  Kin kin;
  std::shared_ptr<Bytes> own;  // private bytes, once there are any; a fork shares them until a store
  bool guard = false;          // MADV_GUARD_INSTALL
  bool seam = false;           // a VMA begins here that could be one with what is before it (areas.hpp)
};

using Pages = std::map<Vpn, Page>;

}  // namespace faultline::vmm::fuzz::reference
