// The address-space operations: what the memory system calls do, one file each
// (mmap.cpp, munmap.cpp, mprotect.cpp, mremap.cpp, brk.cpp, madvise.cpp, mlock.cpp,
// mincore.cpp, msync.cpp, mseal.cpp, pkeys.cpp). Arguments are the system call's, unchecked: every check that Linux
// makes is made here, in Linux's order, and the errno is Linux's. Flag values are those of
// <sys/mman.h>. The caller holds the address space's lock exclusively.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "mmu/space/address_space.hpp"

namespace faultline::mmu {

struct MmapRequest {
  std::uint64_t address = 0;
  std::uint64_t length = 0;
  int prot = 0;
  int flags = 0;
  std::uint64_t offset = 0;                // bytes; unaligned is EINVAL
  std::shared_ptr<FileMapping> file = {};  // null with MAP_ANONYMOUS
  bool file_readable = true;               // how the descriptor was opened: EACCES otherwise
  bool file_writable = true;
  std::string name = {};  // what maps shows
};
// Linux do_mmap (ksys_mmap_pgoff). MAP_POPULATE and locked mappings fault pages in at once.
SysResult<Gva> do_mmap(AddressSpace& mm, const MmapRequest& request);
// Linux vm_munmap / __do_munmap.
SysResult<void> do_munmap(AddressSpace& mm, std::uint64_t address, std::uint64_t length);
// mprotect, and pkey_mprotect with a key. EINVAL: a key that was not allocated.
inline constexpr int kNoPkey = -1;
SysResult<void> do_mprotect(AddressSpace& mm, std::uint64_t address, std::uint64_t length, int prot,
                            int pkey = kNoPkey);
// The lowest free key. ENOSPC; EINVAL for flags and rights that do not exist. The caller gives
// the CPU the rights.
SysResult<int> do_pkey_alloc(AddressSpace& mm, std::uint64_t flags, std::uint64_t rights);
SysResult<void> do_pkey_free(AddressSpace& mm, int pkey);
SysResult<void> do_mseal(AddressSpace& mm, std::uint64_t address, std::uint64_t length, std::uint64_t flags);
// Returns the new address. MREMAP_MAYMOVE, MREMAP_FIXED, MREMAP_DONTUNMAP.
SysResult<Gva> do_mremap(AddressSpace& mm, std::uint64_t address, std::uint64_t old_length, std::uint64_t new_length,
                         int flags, std::uint64_t new_address);
// Returns the break in force afterwards, as the raw system call does (never an error).
Gva do_brk(AddressSpace& mm, std::uint64_t address);
SysResult<void> do_madvise(AddressSpace& mm, std::uint64_t address, std::uint64_t length, int advice);
// May process_madvise give this advice, to oneself? Otherwise EINVAL.
[[nodiscard]] bool process_madvise_allows(const AddressSpace& mm, int advice);
// One byte for each page, bit 0 = resident. `vector` holds one byte per page of the range.
SysResult<void> do_mincore(AddressSpace& mm, std::uint64_t address, std::uint64_t length, std::span<std::byte> vector);
SysResult<void> do_msync(AddressSpace& mm, std::uint64_t address, std::uint64_t length, int flags);
SysResult<void> do_mlock(AddressSpace& mm, std::uint64_t address, std::uint64_t length, bool on_fault);
SysResult<void> do_munlock(AddressSpace& mm, std::uint64_t address, std::uint64_t length);
SysResult<void> do_mlockall(AddressSpace& mm, int flags);
SysResult<void> do_munlockall(AddressSpace& mm);

}  // namespace faultline::mmu
