// A small static program as bytes, and files without names to put it in.
#pragma once

#include <elf.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <string>
#include <vector>

#include "vmm/host/handles.hpp"

namespace faultline::test {

struct SmallElf {
  Elf64_Ehdr header{};
  std::vector<Elf64_Phdr> segments;
  std::size_t file_bytes = 0x3000;

  // Headers and code in one segment, data with bss behind it in another.
  explicit SmallElf(std::uint16_t type = ET_EXEC) {
    const std::uint64_t base = type == ET_EXEC ? 0x400000 : 0;
    std::memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;
    header.e_ident[EI_DATA] = ELFDATA2LSB;
    header.e_ident[EI_VERSION] = EV_CURRENT;
    header.e_type = type;
    header.e_machine = EM_X86_64;
    header.e_version = EV_CURRENT;
    header.e_entry = base + 0x1000;
    header.e_phoff = sizeof(Elf64_Ehdr);
    header.e_ehsize = sizeof(Elf64_Ehdr);
    header.e_phentsize = sizeof(Elf64_Phdr);
    segments.push_back(load(PF_R | PF_X, 0, base, 0x2000, 0x2000));
    segments.push_back(load(PF_R | PF_W, 0x2000, base + 0x2000, 0x800, 0x3000));
    header.e_phnum = 2;
  }

  static Elf64_Phdr load(std::uint32_t flags, std::uint64_t offset, std::uint64_t vaddr, std::uint64_t filesz,
                         std::uint64_t memsz) {
    return {PT_LOAD, flags, offset, vaddr, vaddr, filesz, memsz, 0x1000};
  }
  void add(const Elf64_Phdr& segment) {
    segments.push_back(segment);
    header.e_phnum = static_cast<std::uint16_t>(segments.size());
  }
  [[nodiscard]] std::size_t header_bytes() const { return sizeof header + segments.size() * sizeof(Elf64_Phdr); }

  [[nodiscard]] std::string bytes() const {
    std::string out(file_bytes, '\xcc');
    std::memcpy(out.data(), &header, sizeof header);
    std::memcpy(out.data() + sizeof header, segments.data(), segments.size() * sizeof(Elf64_Phdr));
    return out;
  }
};

inline vmm::FileDescriptor file_with(const std::string& bytes) {
  vmm::FileDescriptor fd(::memfd_create("test", MFD_CLOEXEC));
  EXPECT_TRUE(fd.valid());
  EXPECT_EQ(::pwrite(fd.get(), bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
  return fd;
}

}  // namespace faultline::test
