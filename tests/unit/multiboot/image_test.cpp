#include "vmm/multiboot/image.hpp"

#include <elf.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <random>

namespace faultline::vmm::multiboot {
namespace {

constexpr std::uint64_t kRam = 16ULL << 20;
constexpr std::uint32_t kMagic = 0x1bad'b002;
constexpr std::size_t kHeaderAt = 0x200, kCodeAt = 0x300;

struct Header {
  std::uint32_t magic = kMagic, flags = 3, checksum = 0;
  std::uint32_t header_address = 0, load_address = 0, load_end_address = 0, bss_end_address = 0, entry_address = 0;
};

// A file of one KiB with one segment of 256 bytes, changed by a test in one place.
struct Spoilt {
  Elf32_Ehdr elf{};
  Elf32_Phdr segment{};
  Header header;
  std::size_t size = 1024;

  Spoilt() {
    std::memcpy(elf.e_ident, ELFMAG, SELFMAG);
    elf.e_ident[EI_CLASS] = ELFCLASS32;
    elf.e_ident[EI_DATA] = ELFDATA2LSB;
    elf.e_type = ET_EXEC;
    elf.e_machine = EM_386;
    elf.e_entry = 0x10'0010;
    elf.e_phoff = sizeof(Elf32_Ehdr);
    elf.e_phnum = 1;
    elf.e_phentsize = sizeof(Elf32_Phdr);
    segment.p_type = PT_LOAD;
    segment.p_offset = kCodeAt;
    segment.p_vaddr = segment.p_paddr = 0x10'0000;
    segment.p_filesz = 0x100;
    segment.p_memsz = 0x1234;
  }
  [[nodiscard]] std::vector<std::byte> bytes() const {
    std::vector<std::byte> file(1024);
    Header h = header;
    if (h.checksum == 0) h.checksum = 0 - h.magic - h.flags;
    std::memcpy(file.data(), &elf, sizeof elf);
    std::memcpy(file.data() + sizeof elf, &segment, sizeof segment);
    std::memcpy(file.data() + kHeaderAt, &h, sizeof h);
    file[kCodeAt] = std::byte{0xf4};
    file.resize(size);
    return file;
  }
};

// The refusal, one line of it, or "" when the image is taken.
std::string refusal(const Spoilt& spoilt) {
  const auto file = spoilt.bytes();
  const auto image = parse_image(file, kRam);
  if (image) return "";
  EXPECT_EQ(image.error().message.find('\n'), std::string::npos);
  return image.error().message;
}

TEST(MultibootImage, TheUnspoiltOne) {
  const auto file = Spoilt().bytes();
  const auto image = parse_image(file, kRam);
  ASSERT_TRUE(image) << image.error().message;
  ASSERT_EQ(image->segments.size(), 1u);
  EXPECT_EQ(image->segments[0].address, Gpa(0x10'0000));
  EXPECT_EQ(image->segments[0].bytes.size(), 0x100u);
  EXPECT_EQ(image->segments[0].bytes[0], std::byte{0xf4});
  EXPECT_EQ(image->segments[0].memory_bytes, 0x1234u);
  EXPECT_EQ(image->entry, 0x10'0010u);
  EXPECT_EQ(image->end, Gpa(0x10'2000));
}

TEST(MultibootImage, TheEntryIsAVirtualAddress) {
  Spoilt high;
  high.segment.p_vaddr = 0xc010'0000;
  high.elf.e_entry = 0xc010'0020;
  const auto file = high.bytes();
  const auto image = parse_image(file, kRam);
  ASSERT_TRUE(image) << image.error().message;
  EXPECT_EQ(image->entry, 0x10'0020u);
}

TEST(MultibootImage, AddressesOfTheHeaderCountMoreThanElf) {
  Spoilt flat;
  flat.header.flags |= 1U << 16;
  flat.header.load_address = 0x20'0000;
  flat.header.header_address = 0x20'0000 + 0x100;
  flat.header.load_end_address = 0x20'0000 + 0x180;
  flat.header.bss_end_address = 0x20'0000 + 0x2000;
  flat.header.entry_address = 0x20'0100;
  const auto file = flat.bytes();
  const auto image = parse_image(file, kRam);
  ASSERT_TRUE(image) << image.error().message;
  ASSERT_EQ(image->segments.size(), 1u);
  EXPECT_EQ(image->segments[0].address, Gpa(0x20'0000));
  EXPECT_EQ(image->segments[0].bytes.data(), file.data() + kHeaderAt - 0x100);
  EXPECT_EQ(image->segments[0].bytes.size(), 0x180u);
  EXPECT_EQ(image->segments[0].memory_bytes, 0x2000u);
  EXPECT_EQ(image->entry, 0x20'0100u);
}

struct Refusal {
  const char* name;
  void (*spoil)(Spoilt&);
  const char* says;
};
void PrintTo(const Refusal& refusal, std::ostream* out) { *out << refusal.name; }
class MultibootRefusal : public testing::TestWithParam<Refusal> {};

TEST_P(MultibootRefusal, OneClearLine) {
  Spoilt spoilt;
  GetParam().spoil(spoilt);
  EXPECT_THAT(refusal(spoilt), testing::HasSubstr(GetParam().says));
}

INSTANTIATE_TEST_SUITE_P(
    Images, MultibootRefusal,
    testing::Values(Refusal{"empty", [](Spoilt& s) { s.size = 0; }, "no multiboot header"},
                    Refusal{"cut_in_the_header", [](Spoilt& s) { s.size = kHeaderAt + 8; }, "no multiboot header"},
                    Refusal{"magic", [](Spoilt& s) { s.header.magic = 0; }, "no multiboot header"},
                    Refusal{"checksum", [](Spoilt& s) { s.header.checksum = 1; }, "no multiboot header"},
                    Refusal{"video", [](Spoilt& s) { s.header.flags |= 4; }, "video mode"},
                    Refusal{"unknown_requirement", [](Spoilt& s) { s.header.flags |= 0x8000; }, "0x8000"},
                    Refusal{"elf_magic", [](Spoilt& s) { s.elf.e_ident[0] = 0; }, "neither an ELF file"},
                    Refusal{"64_bits", [](Spoilt& s) { s.elf.e_ident[EI_CLASS] = ELFCLASS64; }, "not a 32-bit ELF"},
                    Refusal{"big_endian", [](Spoilt& s) { s.elf.e_ident[EI_DATA] = ELFDATA2MSB; }, "not a 32-bit ELF"},
                    Refusal{"another_cpu", [](Spoilt& s) { s.elf.e_machine = EM_ARM; }, "not a 32-bit ELF"},
                    Refusal{"relocatable", [](Spoilt& s) { s.elf.e_type = ET_REL; }, "fixed address"},
                    Refusal{"header_size", [](Spoilt& s) { s.elf.e_phentsize = 8; }, "wrong size"},
                    Refusal{"headers_outside", [](Spoilt& s) { s.elf.e_phoff = 0xffff'ffff; }, "headers lie outside"},
                    Refusal{"too_many_headers", [](Spoilt& s) { s.elf.e_phnum = 0xffff; }, "headers lie outside"},
                    Refusal{"nothing_to_load", [](Spoilt& s) { s.segment.p_type = PT_NOTE; }, "nothing to load"},
                    Refusal{"no_segments", [](Spoilt& s) { s.elf.e_phnum = 0; }, "nothing to load"},
                    Refusal{"bytes_outside", [](Spoilt& s) { s.segment.p_offset = 0x3ff; }, "outside the file"},
                    Refusal{"offset_wraps", [](Spoilt& s) { s.segment.p_offset = 0xffff'ff80; }, "outside the file"},
                    Refusal{"more_bytes_than_memory", [](Spoilt& s) { s.segment.p_memsz = 0x80; },
                            "more bytes than memory"},
                    Refusal{"beyond_ram", [](Spoilt& s) { s.segment.p_paddr = kRam - 0x1000; }, "raise --memory"},
                    Refusal{"memory_wraps", [](Spoilt& s) { s.segment.p_memsz = 0xffff'ffff; }, "raise --memory"},
                    Refusal{"entry_outside", [](Spoilt& s) { s.elf.e_entry = 0x10'1234; }, "entry point 0x101234"},
                    Refusal{"flat_before_the_file",
                            [](Spoilt& s) {
                              s.header.flags |= 1U << 16;
                              s.header.header_address = 0x10'0201;
                              s.header.load_address = 0x10'0000;
                            },
                            "before the beginning"},
                    Refusal{"flat_header_below_load",
                            [](Spoilt& s) {
                              s.header.flags |= 1U << 16;
                              s.header.load_address = 1;
                            },
                            "before the beginning"},
                    Refusal{"flat_end_outside",
                            [](Spoilt& s) {
                              s.header.flags |= 1U << 16;
                              s.header.header_address = s.header.load_address = 0x10'0000;
                              s.header.load_end_address = 0xffff'ffff;
                            },
                            "outside the file"},
                    Refusal{"flat_bss_before_end",
                            [](Spoilt& s) {
                              s.header.flags |= 1U << 16;
                              s.header.header_address = s.header.load_address = 0x10'0000;
                              s.header.bss_end_address = 0x10'0001;
                            },
                            "bss end"}),
    [](const auto& row) { return std::string(row.param.name); });

TEST(MultibootImage, OverlappingSegments) {
  Spoilt two;
  two.elf.e_phnum = 2;
  auto file = two.bytes();
  Elf32_Phdr second = two.segment;
  second.p_paddr += 0x1233;
  std::memcpy(file.data() + sizeof(Elf32_Ehdr) + sizeof(Elf32_Phdr), &second, sizeof second);
  const auto refused = parse_image(file, kRam);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message, "segments overlap");
  second.p_paddr += 1;
  std::memcpy(file.data() + sizeof(Elf32_Ehdr) + sizeof(Elf32_Phdr), &second, sizeof second);
  EXPECT_TRUE(parse_image(file, kRam));
}

// Whatever is in the file: refused, or everything in it lies where it must.
TEST(MultibootImage, RandomDamageIsRefusedOrHarmless) {
  std::minstd_rand random(1);
  const auto good = Spoilt().bytes();
  unsigned taken = 0;
  for (int round = 0; round < 20'000; ++round) {
    auto file = good;
    for (auto changes = 1 + random() % 3; changes > 0; --changes) {
      const std::size_t interesting = sizeof(Elf32_Ehdr) + sizeof(Elf32_Phdr);
      file[random() % interesting] = static_cast<std::byte>(random());
    }
    const auto image = parse_image(file, kRam);
    if (!image) continue;
    ++taken;
    for (const Segment& s : image->segments) {
      ASSERT_LE(s.address.raw() + s.memory_bytes, kRam);
      ASSERT_LE(s.bytes.size(), s.memory_bytes);
      if (s.bytes.empty()) continue;
      ASSERT_GE(s.bytes.data(), file.data());
      ASSERT_LE(s.bytes.data() + s.bytes.size(), file.data() + file.size());
    }
    ASSERT_LT(image->entry, kRam);
    ASSERT_LE(image->end.raw(), kRam);
  }
  EXPECT_GT(taken, 100u);
}

}  // namespace
}  // namespace faultline::vmm::multiboot
