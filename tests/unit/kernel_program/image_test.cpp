// Kernel programs' files, well-formed and not: what is refused is refused in one clear line.
#include "vmm/kernel/image.hpp"

#include <elf.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <string>

#include "vmm/kernel/layout.hpp"
#include "vmm/kvm/monitor.hpp"

namespace faultline::vmm::kernel {
namespace {

using testing::HasSubstr;

constexpr std::uint64_t kCode = 0xffff'ffff'8000'1000, kData = 0xffff'ffff'8000'3000, kTable = kData + 0x100;
constexpr std::uint64_t kMemory = 16ULL << 20;
constexpr std::uint64_t kCodeAt = 0x200, kDataAt = 0x400, kSectionsAt = 0x800;  // offsets in the file

// A program of one segment of code, one of data with an exception table in it, and its sections. Tests
// change a field and write it anew.
struct Program {
  Elf64_Ehdr header{};
  Elf64_Phdr code{}, data{};
  Elf64_Shdr none{}, table{}, names{};
  struct Entry {
    std::int32_t instruction = 0, fixup = 0;
    std::uint32_t kind = 1;
  };
  std::vector<Entry> entries = {entry(0, 0x10, 0x40), entry(1, 0x20, 0x48)};
  std::string section_names = std::string("\0__ex_table\0.shstrtab\0", 22);
  std::size_t file_bytes = 0xa00;

  // Offsets in the code, from the entry at `index`.
  static Entry entry(std::size_t index, std::uint64_t instruction, std::uint64_t fixup, std::uint32_t kind = 1) {
    const std::uint64_t at = kTable + index * 12;
    return {static_cast<std::int32_t>(kCode + instruction - at), static_cast<std::int32_t>(kCode + fixup - (at + 4)),
            kind};
  }

  Program() {
    std::memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;
    header.e_ident[EI_DATA] = ELFDATA2LSB;
    header.e_type = ET_EXEC;
    header.e_machine = EM_X86_64;
    header.e_entry = kCode;
    header.e_phoff = sizeof header;
    header.e_phentsize = sizeof(Elf64_Phdr);
    header.e_phnum = 2;
    header.e_shoff = kSectionsAt;
    header.e_shentsize = sizeof(Elf64_Shdr);
    header.e_shnum = 3;
    header.e_shstrndx = 2;
    code = {.p_type = PT_LOAD,
            .p_flags = PF_R | PF_X,
            .p_offset = kCodeAt,
            .p_vaddr = kCode,
            .p_paddr = 0,
            .p_filesz = 0x100,
            .p_memsz = 0x100,
            .p_align = 0x1000};
    data = {.p_type = PT_LOAD,
            .p_flags = PF_R | PF_W,
            .p_offset = kDataAt,
            .p_vaddr = kData,
            .p_paddr = 0,
            .p_filesz = 0x200,
            .p_memsz = 0x1800,
            .p_align = 0x1000};
    table.sh_name = 1;
    table.sh_type = SHT_PROGBITS;
    table.sh_addr = kTable;
    table.sh_offset = kDataAt + 0x100;
    table.sh_size = 2 * 12;
    names.sh_type = SHT_STRTAB;
    names.sh_offset = kSectionsAt + 3 * sizeof(Elf64_Shdr);
    names.sh_size = section_names.size();
  }

  [[nodiscard]] std::string bytes() const {
    std::string file(file_bytes, '\0');
    const auto put = [&](std::size_t at, const void* from, std::size_t size) {
      if (at < file.size()) std::memcpy(file.data() + at, from, std::min(size, file.size() - at));
    };
    put(0, &header, sizeof header);
    put(sizeof header, &code, sizeof code);
    put(sizeof header + sizeof code, &data, sizeof data);
    put(kDataAt + 0x100, entries.data(), entries.size() * sizeof(Entry));
    put(kSectionsAt, &none, sizeof none);
    put(kSectionsAt + sizeof none, &table, sizeof table);
    put(kSectionsAt + 2 * sizeof none, &names, sizeof names);
    put(kSectionsAt + 3 * sizeof none, section_names.data(), section_names.size());
    return file;
  }
};

Result<Image> parse(const std::string& file) { return parse_image(std::as_bytes(std::span(file)), kMemory); }

TEST(KernelImage, IsReadAsItIsLinked) {
  const std::string file = Program().bytes();
  const auto image = parse(file);
  ASSERT_TRUE(image) << image.error().message;
  EXPECT_EQ(image->entry, Gva(kCode));
  ASSERT_EQ(image->segments.size(), 2U);
  EXPECT_TRUE(image->segments[0].execute);
  EXPECT_FALSE(image->segments[0].write);
  EXPECT_TRUE(image->segments[1].write);
  EXPECT_EQ(image->segments[1].pages, 2U);
  EXPECT_EQ(image->segments[1].bytes.size(), 0x200U);
  EXPECT_EQ(image->exceptions.size(), 2U);
  ASSERT_NE(image->exceptions.find(Gva(kCode + 0x20)), nullptr);
  EXPECT_EQ(image->exceptions.find(Gva(kCode + 0x20))->fixup, Gva(kCode + 0x48));
}

TEST(KernelImage, AnExceptionTableThatIsNotSortedIsSorted) {
  Program program;
  program.entries = {Program::entry(0, 0x20, 0x48), Program::entry(1, 0x10, 0x40)};
  const std::string file = program.bytes();
  const auto image = parse(file);
  ASSERT_TRUE(image) << image.error().message;
  EXPECT_FALSE(image->exceptions.was_sorted());
  EXPECT_EQ(image->exceptions.find(Gva(kCode + 0x10))->fixup, Gva(kCode + 0x40));
}

TEST(KernelImage, SectionsAreNotNeeded) {
  Program program;
  program.header.e_shnum = 0;
  const std::string file = program.bytes();
  const auto image = parse(file);
  ASSERT_TRUE(image) << image.error().message;
  EXPECT_EQ(image->exceptions.size(), 0U);
}

struct Refusal {
  const char* what;
  std::function<void(Program&)> spoil;
  const char* message;
};

const Refusal kRefusals[] = {
    {"no magic", [](Program& p) { p.header.e_ident[0] = 'X'; }, "not an ELF file"},
    {"shorter than a header", [](Program& p) { p.file_bytes = 40; }, "not an ELF file"},
    {"32 bits", [](Program& p) { p.header.e_ident[EI_CLASS] = ELFCLASS32; }, "not an ELF file for x86-64"},
    {"another processor", [](Program& p) { p.header.e_machine = EM_AARCH64; }, "not an ELF file for x86-64"},
    {"PIE", [](Program& p) { p.header.e_type = ET_DYN; }, "a static, non-PIE ELF executable is needed"},
    {"program headers of another size", [](Program& p) { p.header.e_phentsize = 32; }, "not a kernel program"},
    {"section headers of another size", [](Program& p) { p.header.e_shentsize = 40; }, "not a kernel program"},
    {"program headers behind the end", [](Program& p) { p.header.e_phoff = ~0ULL - 8; },
     "the program headers lie outside the file"},
    {"more program headers than there are", [](Program& p) { p.header.e_phnum = 0xffff; }, "outside the file"},
    {"no program headers", [](Program& p) { p.header.e_phnum = 0; }, "there is nothing to load in it"},
    {"nothing to load", [](Program& p) { p.code.p_type = p.data.p_type = PT_NOTE; }, "there is nothing to load in it"},
    {"too large a segment", [](Program& p) { p.data.p_memsz = kMaxImageBytes + 1; },
     "the segment at 0xffffffff80003000 is larger than 64 MiB"},
    {"round the end", [](Program& p) { p.data.p_vaddr = ~0ULL - 0xff; }, "goes round the end of the address space"},
    {"over the stubs", [](Program& p) { p.data.p_vaddr = kvm::monitor_address(kvm::kStubFrame).raw(); },
     "overlaps the entry stubs and their tables"},
    {"its end over the stubs", [](Program& p) { p.data.p_vaddr = kvm::kMonitorBase.raw() - 0x1000; },
     "overlaps the entry stubs and their tables"},
    {"behind the stubs", [](Program& p) { p.data.p_vaddr = kvm::monitor_address(kvm::kFirstFreeFrame).raw(); },
     "does not lie in the last 2 GiB"},
    {"in the user half", [](Program& p) { p.code.p_vaddr = 0x40'0000; }, "does not lie in the last 2 GiB"},
    {"bytes behind the end", [](Program& p) { p.data.p_offset = ~0ULL - 0x10; }, "has more bytes than the file"},
    {"more bytes than memory", [](Program& p) { p.data.p_memsz = 0x1ff; },
     "has more bytes than the file or the segment"},
    {"two in one page", [](Program& p) { p.data.p_vaddr = kCode + 0x800; },
     "two segments share the page at 0xffffffff80001000"},
    {"over guest memory", [](Program& p) { p.data.p_memsz = kMemory / 2; }, "more than half of guest memory"},
    {"entry in the data", [](Program& p) { p.header.e_entry = kData; },
     "its entry point, 0xffffffff80003000, is not in"},
    {"entry behind the code", [](Program& p) { p.header.e_entry = kCode + 0x100; }, "is not in its code"},
    {"section headers behind the end", [](Program& p) { p.header.e_shoff = ~0ULL - 8; },
     "the section headers lie outside the file"},
    {"more section headers than there are", [](Program& p) { p.header.e_shnum = 0x4000, p.table.sh_name = 0; },
     "the section headers lie outside the file"},
    {"names where no section is", [](Program& p) { p.header.e_shstrndx = 0xfff0; }, "the section headers lie outside"},
    {"table behind the end", [](Program& p) { p.table.sh_offset = p.file_bytes - 8; },
     "exception table: its bytes lie outside the file"},
    {"table without bytes", [](Program& p) { p.table.sh_type = SHT_NOBITS; }, "its bytes lie outside the file"},
    {"part of an entry", [](Program& p) { p.table.sh_size = 23; }, "23 bytes are not a whole number of entries"},
    {"instruction before the code", [](Program& p) { p.entries[1] = Program::entry(1, -1ULL, 0x40); },
     "the instruction of entry 1, 0xffffffff80000fff, is not in the program's code"},
    {"instruction behind the code", [](Program& p) { p.entries[0] = Program::entry(0, 0x100, 0x40); },
     "the instruction of entry 0, 0xffffffff80001100, is not in the program's code"},
    {"fixup in the data", [](Program& p) { p.entries[0] = Program::entry(0, 0x10, kData - kCode); },
     "the fixup of entry 0, 0xffffffff80003000, is not in the program's code"},
    {"a kind that there is not", [](Program& p) { p.entries[1].kind = 9; }, "entry 1 is of the unknown kind 0x9"},
    {"bits that mean nothing", [](Program& p) { p.entries[1].kind = 0x1001; }, "of the unknown kind 0x1001"},
    {"one instruction twice", [](Program& p) { p.entries[1] = Program::entry(1, 0x10, 0x48); },
     "two entries for the instruction at 0xffffffff80001010"},
};

TEST(KernelImage, WhatIsMalformedIsRefusedInOneLine) {
  for (const Refusal& row : kRefusals) {
    SCOPED_TRACE(row.what);
    Program program;
    row.spoil(program);
    const std::string file = program.bytes();
    const auto image = parse(file);
    ASSERT_FALSE(image);
    EXPECT_THAT(image.error().message, HasSubstr(row.message));
    EXPECT_EQ(image.error().message.find('\n'), std::string::npos);
  }
}

// Wherever the file ends and whatever a byte of it is: an image within bounds, or a line.
TEST(KernelImage, NoFileIsReadOutOfBounds) {
  const std::string good = Program().bytes();
  const auto check = [](const std::string& file) {
    const auto image = parse(file);
    if (!image) {
      EXPECT_FALSE(image.error().message.empty());
      return;
    }
    for (const Segment& segment : image->segments) {
      EXPECT_LE(segment.offset + segment.bytes.size(), segment.pages * kPageSize);
      const auto* from = reinterpret_cast<const char*>(segment.bytes.data());
      EXPECT_TRUE(from >= file.data() && from + segment.bytes.size() <= file.data() + file.size());
    }
  };
  for (std::size_t size = 0; size < good.size(); size += 3) check(good.substr(0, size));
  for (std::size_t at = 0; at < good.size(); ++at) {
    for (const char value : {'\0', '\1', '\x7f', '\x80', '\xff'}) {
      std::string copy = good;
      copy[at] = value;
      check(copy);
    }
  }
}

}  // namespace
}  // namespace faultline::vmm::kernel
