// One process of the reference, and what its accesses do to its pages.
#pragma once

#include <cstdint>

#include "vmm/fuzz/reference/areas.hpp"
#include "vmm/fuzz/reference/page.hpp"

namespace faultline::vmm::fuzz::reference {

inline constexpr std::uint64_t kMinAddress = 0x1'0000;  // vm.mmap_min_addr
inline constexpr std::uint64_t kStackPages = 2048;      // RLIMIT_STACK
inline constexpr std::uint64_t kStackGuardPages = 256;  // stack_guard_gap
inline constexpr std::uint64_t kLockablePages = 2048;   // RLIMIT_MEMLOCK

struct Process {
  Pages pages;
  std::uint64_t next_kin = 1;
};

enum class Access : std::uint8_t { kRead, kWrite, kExecute };

// Why an access does not go on: what the signal's code tells apart.
enum class Trouble : std::uint8_t {
  kNone,
  kUnmapped,  // SEGV_MAPERR
  kRefused,   // SEGV_ACCERR
  kNoObject,  // BUS_ADRERR: beyond the end of the object
};

// What a page fault at `address` comes to (Linux do_user_addr_fault). Stacks grow, and a private
// page gets its own bytes for a write, even when the access fails further on.
Trouble touch(Process& process, std::uint64_t address, Access access);

// Precondition of both: touch() said kNone.
[[nodiscard]] std::uint8_t load(const Process& process, std::uint64_t address);
void store(Process& process, std::uint64_t address, std::uint8_t byte);

// The bytes of a page, as a read finds them. Null: zeroes. Valid until the page or its object changes.
[[nodiscard]] const Bytes* bytes_of(const Page& page);
// No access to the page's bytes is possible, whatever its rights are.
[[nodiscard]] bool beyond_object(const Page& page);

// Brings pages in as get_user_pages does, rights set aside. False: a guard, or beyond the object.
bool bring_in(Process& process, Vpn page, Access access);
// Linux populate_vma_page_range of [first, end), which lies in one area. False: it gave up.
bool populate(Process& process, Area area);

}  // namespace faultline::vmm::fuzz::reference
