// Puts a program into an address space: its segments, heap start and mmap area
// (Linux load_elf_binary, elf_load, vm_brk_flags, without address randomisation).
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "mmu/space/address_space.hpp"
#include "vmm/linux_abi/elf_image.hpp"

namespace faultline::vmm::linux_abi {

// Addresses that a Linux process gets under `setarch -R`, whatever the paging mode
// (TASK_SIZE_LOW, ELF_ET_DYN_BASE, mmap_base()).
struct AddressLayout {
  static constexpr std::uint64_t kStackTop = 0x7ffffffff000;
  static constexpr std::uint64_t kPieBrk = 0x555555555000;
  // Linux maps its vDSO and data pages (32 KiB in 6.18) at the top of the mmap area. We have
  // none, and leave the hole, so that the mappings below it get the addresses they have there.
  static constexpr std::uint64_t kVdsoHole = 0x8000;
  // Top of the mmap area below a stack that may grow to `stack_limit` bytes.
  static std::uint64_t mmap_base(std::uint64_t stack_limit, std::uint64_t stack_guard_gap);
};

struct LoadedImage {
  std::uint64_t load_bias = 0;
  std::uint64_t entry = 0;  // AT_ENTRY, bias included
  std::uint64_t phdr = 0;   // AT_PHDR, bias included
  std::uint16_t phnum = 0;
  bool executable_stack = false;
};

// Maps `image` from `file` (its mapping in the page cache) into the empty `mm`, and sets
// mm.mmap_base, start_brk and brk. `path` names the areas. Error 126: does not fit.
LoadResult<LoadedImage> map_elf(mmu::AddressSpace& mm, const ElfImage& image,
                                const std::shared_ptr<mmu::FileMapping>& file, const std::string& path);

}  // namespace faultline::vmm::linux_abi
