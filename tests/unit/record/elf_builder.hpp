// A small ELF64 image with symbols, for the tests of SymbolTable.
#pragma once

#include <elf.h>

#include <cstddef>
#include <cstring>
#include <string>
#include <vector>

namespace faultline::vmm {

struct BuiltSymbol {
  std::string name;
  std::uint64_t value = 0, size = 0;
  unsigned type = STT_FUNC;
  std::uint16_t section = 1;
};

// Sections: 0 none, 1 .text at 0x401000 of 0x1000 bytes, 2 .data, 3 .symtab, 4 .strtab.
class ElfBuilder {
 public:
  std::vector<BuiltSymbol> symbols;

  [[nodiscard]] std::vector<std::byte> build() const {
    std::string strings(1, '\0');
    std::vector<Elf64_Sym> table(1);
    for (const BuiltSymbol& s : symbols) {
      Elf64_Sym sym{};
      sym.st_name = static_cast<Elf64_Word>(strings.size());
      sym.st_info = static_cast<unsigned char>(ELF64_ST_INFO(STB_GLOBAL, s.type));
      sym.st_shndx = s.section;
      sym.st_value = s.value;
      sym.st_size = s.size;
      table.push_back(sym);
      strings += s.name + '\0';
    }
    Elf64_Ehdr header{};
    std::memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;
    header.e_ident[EI_DATA] = ELFDATA2LSB;
    header.e_machine = EM_X86_64;
    header.e_shoff = sizeof header;
    header.e_shentsize = sizeof(Elf64_Shdr);
    header.e_shnum = 5;

    Elf64_Shdr sections[5]{};
    sections[1].sh_type = sections[2].sh_type = SHT_NOBITS;
    sections[1].sh_flags = SHF_ALLOC | SHF_EXECINSTR;
    sections[1].sh_addr = 0x401000;
    sections[1].sh_size = 0x1000;
    sections[2].sh_flags = SHF_ALLOC | SHF_WRITE;
    sections[2].sh_addr = 0x403000;
    sections[2].sh_size = 0x1000;
    sections[3].sh_type = SHT_SYMTAB;
    sections[3].sh_link = 4;
    sections[3].sh_offset = sizeof header + sizeof sections;
    sections[3].sh_size = table.size() * sizeof(Elf64_Sym);
    sections[4].sh_type = SHT_STRTAB;
    sections[4].sh_offset = sections[3].sh_offset + sections[3].sh_size;
    sections[4].sh_size = strings.size();

    std::vector<std::byte> image;
    const auto append = [&image](const void* data, std::size_t bytes) {
      const auto* p = static_cast<const std::byte*>(data);
      image.insert(image.end(), p, p + bytes);
    };
    append(&header, sizeof header);
    append(sections, sizeof sections);
    append(table.data(), table.size() * sizeof(Elf64_Sym));
    append(strings.data(), strings.size());
    return image;
  }
};

}  // namespace faultline::vmm
