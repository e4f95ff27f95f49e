// The stack that a new program finds (Linux setup_arg_pages, copy_strings, create_elf_tables;
// System V psABI x86-64, "Process Initialization").
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "mmu/space/address_space.hpp"
#include "vmm/linux_abi/elf_loader.hpp"

namespace faultline::vmm::linux_abi {

// What the auxiliary vector tells beyond the image itself.
struct ProcessFacts {
  std::uint64_t hwcap = 0;          // AT_HWCAP: CPUID.1:EDX
  std::uint64_t hwcap2 = 0;         // AT_HWCAP2
  std::uint64_t minsigstksz = 0;    // AT_MINSIGSTKSZ: bytes of the largest signal frame
  std::uint64_t clock_ticks = 100;  // AT_CLKTCK
  std::uint32_t uid = 0, euid = 0, gid = 0, egid = 0;
  bool secure = false;  // AT_SECURE
  std::array<std::byte, 16> random{};
};

struct InitialStack {
  std::uint64_t rsp = 0;        // at argc
  std::uint64_t arg_start = 0;  // first byte of argv[0]
};

// Makes the stack area of `mm` and writes argc, argv, envp, the auxiliary vector and the strings.
// Error 126: arguments and environment exceed what Linux allows (a quarter of the stack limit,
// 128 KiB a string), or guest memory is short.
LoadResult<InitialStack> build_initial_stack(mmu::AddressSpace& mm, const LoadedImage& image,
                                             const std::vector<std::string>& argv, const std::vector<std::string>& envp,
                                             const std::string& exec_name, const ProcessFacts& facts);

}  // namespace faultline::vmm::linux_abi
