// What a static ELF64 x86-64 executable says about itself, checked. Reads the file header and
// the program headers, nothing else; the file is hostile. System V gABI, "ELF Header" and
// "Program Header"; what is accepted follows Linux load_elf_binary, with the refusals below
// made earlier and in words.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "vmm/linux_abi/load_error.hpp"

namespace faultline::vmm::linux_abi {

struct ElfSegment {
  std::uint64_t vaddr = 0, memsz = 0;
  std::uint64_t offset = 0, filesz = 0;
  std::uint64_t align = 0;
  std::uint32_t flags = 0;  // PF_R, PF_W, PF_X
};

struct ElfImage {
  bool position_independent = false;  // ET_DYN: addresses are relative to where it is put
  std::uint64_t entry = 0;
  std::vector<ElfSegment> loads;  // ascending, disjoint by page unless they share one file page
  std::uint64_t phdr_vaddr = 0;   // AT_PHDR before the load bias; 0 when no segment holds it
  std::uint16_t phnum = 0;
  bool executable_stack = false;  // PT_GNU_STACK asks for it

  [[nodiscard]] std::uint64_t low() const { return loads.front().vaddr; }
  [[nodiscard]] std::uint64_t high() const { return loads.back().vaddr + loads.back().memsz; }
  [[nodiscard]] std::uint64_t max_align() const;
};

// Parses the executable open for reading as `fd`; `name` is for the message. Refuses, with
// status 126: not an ELF, a script, 32-bit or foreign, dynamic, truncated headers or segments,
// segments that overlap, wrap, exceed user space or are misaligned, an entry outside them.
LoadResult<ElfImage> parse_elf(int fd, const std::string& name);

}  // namespace faultline::vmm::linux_abi
