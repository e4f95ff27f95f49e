#include "vmm/linux_abi/elf_image.hpp"

#include "tests/unit/linux_abi/small_elf.hpp"

namespace faultline::test {
namespace {

using vmm::linux_abi::LoadError;
using vmm::linux_abi::parse_elf;

// The one line that refuses these bytes; empty when they are accepted.
std::string refusal(const std::string& bytes) {
  const auto file = file_with(bytes);
  const auto image = parse_elf(file.get(), "prog");
  if (image) return {};
  EXPECT_EQ(image.error().exit_status, LoadError::kCannotExecute);
  EXPECT_TRUE(image.error().message.starts_with("prog: ")) << image.error().message;
  EXPECT_EQ(image.error().message.find('\n'), std::string::npos);
  return image.error().message;
}
std::string refusal(const SmallElf& elf) { return refusal(elf.bytes()); }

TEST(ElfImage, ReadsAStaticProgram) {
  const SmallElf elf;
  const auto file = file_with(elf.bytes());
  const auto image = parse_elf(file.get(), "prog");
  ASSERT_TRUE(image) << image.error().message;
  EXPECT_FALSE(image->position_independent);
  EXPECT_EQ(image->entry, 0x401000u);
  ASSERT_EQ(image->loads.size(), 2u);
  EXPECT_EQ(image->loads[1].filesz, 0x800u);
  EXPECT_EQ(image->loads[1].memsz, 0x3000u);
  EXPECT_EQ(image->phdr_vaddr, 0x400040u);
  EXPECT_EQ(image->low(), 0x400000u);
  EXPECT_EQ(image->high(), 0x405000u);
  EXPECT_FALSE(image->executable_stack);
}

TEST(ElfImage, ReadsAStaticPie) {
  const auto file = file_with(SmallElf(ET_DYN).bytes());
  const auto image = parse_elf(file.get(), "prog");
  ASSERT_TRUE(image) << image.error().message;
  EXPECT_TRUE(image->position_independent);
  EXPECT_EQ(image->entry, 0x1000u);
}

TEST(ElfImage, SaysWhatIsNoProgram) {
  EXPECT_EQ(refusal(""), "prog: empty file, not an ELF program");
  EXPECT_EQ(refusal("hello"), "prog: not an ELF program");
  EXPECT_NE(refusal("#!/bin/sh\necho\n").find("script"), std::string::npos);
  std::string bytes = SmallElf().bytes();
  bytes[EI_CLASS] = ELFCLASS32;
  EXPECT_NE(refusal(bytes).find("32-bit"), std::string::npos);
}

TEST(ElfImage, SaysWhichKindOfElfItCannotRun) {
  SmallElf elf;
  elf.header.e_type = ET_REL;
  EXPECT_NE(refusal(elf).find("object file"), std::string::npos);
  elf.header.e_type = ET_CORE;
  EXPECT_NE(refusal(elf).find("core dump"), std::string::npos);
  elf = SmallElf();
  elf.header.e_machine = EM_AARCH64;
  EXPECT_NE(refusal(elf).find("another machine"), std::string::npos);
  elf = SmallElf(ET_DYN);
  elf.header.e_entry = 0;
  EXPECT_NE(refusal(elf).find("shared library"), std::string::npos);
}

TEST(ElfImage, ADynamicProgramIsToldToBeLinkedStatically) {
  SmallElf elf(ET_DYN);
  Elf64_Phdr interp{};
  interp.p_type = PT_INTERP;
  elf.add(interp);
  const std::string text = refusal(elf);
  EXPECT_NE(text.find("dynamic loader"), std::string::npos) << text;
  EXPECT_NE(text.find("-static"), std::string::npos) << text;
}

TEST(ElfImage, TruncatedAnywhereInItsHeadersIsRefused) {
  const SmallElf elf;
  const std::string bytes = elf.bytes();
  for (std::size_t n = 0; n < elf.header_bytes(); ++n) EXPECT_NE(refusal(bytes.substr(0, n)), "") << n;
  // Behind the headers a segment is cut short.
  EXPECT_NE(refusal(bytes.substr(0, elf.header_bytes())).find("truncated"), std::string::npos);
  EXPECT_NE(refusal(bytes.substr(0, 0x27ff)).find("truncated"), std::string::npos);
  EXPECT_EQ(refusal(bytes.substr(0, 0x2800)), "");
}

TEST(ElfImage, EveryHeaderFieldMayBeHostile) {
  const std::string good = SmallElf().bytes();
  const std::size_t header_bytes = SmallElf().header_bytes();
  // No crash and no hang, whatever a field says; sanitizers watch.
  for (std::size_t at = 0; at < header_bytes; ++at) {
    for (const int value : {0x00, 0x01, 0x7f, 0x80, 0xff}) {
      std::string bytes = good;
      bytes[at] = static_cast<char>(value);
      static_cast<void>(refusal(bytes));
    }
  }
  for (std::size_t at = 0; at + 8 <= header_bytes; at += 4) {
    for (const std::uint64_t value : {std::uint64_t{0}, ~std::uint64_t{0}, std::uint64_t{1} << 63,
                                      std::uint64_t{0x7ffffffff000}, std::uint64_t{1} << 47, ~std::uint64_t{0xfff}}) {
      std::string bytes = good;
      std::memcpy(bytes.data() + at, &value, sizeof value);
      static_cast<void>(refusal(bytes));
    }
  }
}

TEST(ElfImage, RefusesAbsurdSegments) {
  const auto with = [](auto change) {
    SmallElf elf;
    change(elf.segments[1]);
    return refusal(elf);
  };
  EXPECT_NE(with([](auto& p) { p.p_vaddr = 0x401000, p.p_offset = 0x2000; }).find("overlaps"), std::string::npos);
  EXPECT_NE(with([](auto& p) { p.p_vaddr = 0x300000; }).find("out of order"), std::string::npos);
  EXPECT_NE(with([](auto& p) { p.p_memsz = 0x100; }).find("larger in the file"), std::string::npos);
  EXPECT_NE(with([](auto& p) { p.p_vaddr = 0x7ffffffff000; }).find("outside user space"), std::string::npos);
  EXPECT_NE(with([](auto& p) { p.p_memsz = ~0ULL; }).find("outside user space"), std::string::npos);
  EXPECT_NE(with([](auto& p) { p.p_vaddr = ~0ULL & ~0xfffULL; }).find("outside user space"), std::string::npos);
  EXPECT_NE(with([](auto& p) { p.p_offset = ~0ULL & ~0xfffULL; }).find("past the file"), std::string::npos);
  EXPECT_NE(with([](auto& p) { p.p_vaddr += 8; }).find("congruent"), std::string::npos);
  EXPECT_NE(with([](auto& p) { p.p_align = 0x3000; }).find("power of two"), std::string::npos);
}

TEST(ElfImage, RefusesAnEntryOutsideEverySegment) {
  SmallElf elf;
  for (const std::uint64_t entry : {0x3fffffULL, 0x405000ULL, 0ULL, ~0ULL}) {
    elf.header.e_entry = entry;
    EXPECT_NE(refusal(elf).find("entry point"), std::string::npos) << std::hex << entry;
  }
}

TEST(ElfImage, RefusesABadProgramHeaderTable) {
  SmallElf elf;
  elf.header.e_phnum = 0;
  EXPECT_NE(refusal(elf).find("no program headers"), std::string::npos);
  elf = SmallElf();
  elf.header.e_phnum = 0xffff;
  EXPECT_NE(refusal(elf).find("too many"), std::string::npos);
  elf = SmallElf();
  elf.header.e_phoff = ~0ULL - 8;
  EXPECT_NE(refusal(elf).find("truncated"), std::string::npos);
  elf = SmallElf();
  elf.header.e_phentsize = 32;
  EXPECT_NE(refusal(elf).find("wrong size"), std::string::npos);
  elf = SmallElf();
  elf.segments[0].p_type = elf.segments[1].p_type = PT_NOTE;
  EXPECT_NE(refusal(elf).find("nothing to load"), std::string::npos);
}

}  // namespace
}  // namespace faultline::test
