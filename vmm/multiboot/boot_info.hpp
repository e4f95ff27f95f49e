// What a multiboot kernel finds in memory when it begins: command line, memory map, a module.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>

#include "mmu/base/address.hpp"
#include "mmu/base/result.hpp"

namespace faultline::vmm::multiboot {

struct Module {
  std::string name;
  std::span<const std::byte> bytes;
};

// The two words of a PC's BIOS data area that tell where conventional memory ends: kernels read them.
void write_bios_data(std::span<std::byte> ram);

// The value of EAX with which a kernel begins.
inline constexpr std::uint32_t kBootMagic = 0x2bad'b002;

// Writes the boot information, and the module behind it, into `ram` (guest memory from address 0) from
// `at` on, which is page aligned. Returns the address of the information, for EBX.
// Fails when they do not fit. Multiboot Specification, "Boot information format".
Result<Gpa> write_boot_info(std::span<std::byte> ram, Gpa at, const std::string& command_line,
                            const std::optional<Module>& module);

}  // namespace faultline::vmm::multiboot
