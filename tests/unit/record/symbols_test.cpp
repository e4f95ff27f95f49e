// Symbols of well-formed files, and no harm from malformed ones.
#include "vmm/record/symbols.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <ctime>
#include <filesystem>
#include <fstream>
#include <random>

#include "tests/unit/record/elf_builder.hpp"
#include "vmm/host/handles.hpp"

namespace faultline::vmm {
namespace {

std::vector<std::byte> sample_elf() {
  ElfBuilder elf;
  elf.symbols = {{"main", 0x401100, 0x40},
                 {"_start", 0x401000, 0, STT_NOTYPE},        // assembly: no size
                 {"table", 0x403000, 0x100, STT_OBJECT, 2},  // data
                 {"label", 0x403010, 0, STT_NOTYPE, 2},      // a label in data
                 {"undefined", 0x0, 0, STT_FUNC, SHN_UNDEF},
                 {"last", 0x401f00, 0},
                 {"alias_without_size", 0x401100, 0},
                 {"absolute", 0x500000, 0x10, STT_FUNC, SHN_ABS}};
  return elf.build();
}

SymbolTable table_of(const std::vector<std::byte>& image, std::uint64_t bias = 0) {
  auto table = SymbolTable::from_elf(image, bias);
  return table ? std::move(*table) : SymbolTable();
}

TEST(SymbolTable, FindsTheFunctionAroundAnAddress) {
  const SymbolTable t = table_of(sample_elf());
  EXPECT_EQ(t.describe(Gva(0x401100)), "main+0x0/0x40");
  EXPECT_EQ(t.describe(Gva(0x40113f)), "main+0x3f/0x40");
  EXPECT_EQ(t.describe(Gva(0x401140)), "0x401140");
  EXPECT_EQ(t.describe(Gva(0x500008)), "absolute+0x8/0x10");
  EXPECT_EQ(t.describe(Gva(0)), "0x0");
  EXPECT_EQ(t.describe(Gva(~0ULL)), "0xffffffffffffffff");
}

TEST(SymbolTable, OneWithoutASizeReachesToTheNextOrTheEndOfItsSection) {
  const SymbolTable t = table_of(sample_elf());
  EXPECT_EQ(t.describe(Gva(0x4010ff)), "_start+0xff");
  EXPECT_EQ(t.describe(Gva(0x401fff)), "last+0xff");
  EXPECT_EQ(t.describe(Gva(0x402000)), "0x402000");
}

TEST(SymbolTable, KnowsNoData) {
  const SymbolTable t = table_of(sample_elf());
  EXPECT_FALSE(t.find(Gva(0x403000)));
  EXPECT_FALSE(t.find(Gva(0x403010)));
  EXPECT_EQ(t.size(), 4U);
}

TEST(SymbolTable, AddsTheLoadBias) {
  const SymbolTable t = table_of(sample_elf(), 0x7f0000000000);
  EXPECT_EQ(t.describe(Gva(0x7f0000401110)), "main+0x10/0x40");
  EXPECT_FALSE(t.find(Gva(0x401110)));
}

TEST(SymbolTable, ReadsThisVeryProgram) {
  std::vector<char> image(std::filesystem::file_size("/proc/self/exe"));
  std::ifstream("/proc/self/exe", std::ios::binary).read(image.data(), static_cast<std::streamsize>(image.size()));
  const auto t = SymbolTable::from_elf(std::as_bytes(std::span(image)), 0);
  ASSERT_TRUE(t) << t.error().message;
  EXPECT_GT(t->size(), 10U);
  const FileDescriptor fd(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
  const auto same = SymbolTable::from_file(fd.get(), 0);
  ASSERT_TRUE(same) << same.error().message;
  EXPECT_EQ(same->size(), t->size());
}

TEST(SymbolTable, ReadsNoMoreOfAFileThanItNeeds) {
  const FileDescriptor fd(::memfd_create("program", MFD_CLOEXEC));
  const auto image = sample_elf();
  ASSERT_EQ(::pwrite(fd.get(), image.data(), image.size(), 0), static_cast<ssize_t>(image.size()));
  ASSERT_EQ(::ftruncate(fd.get(), 1LL << 60), 0);
  const auto t = SymbolTable::from_file(fd.get(), 0);
  ASSERT_TRUE(t) << t.error().message;
  EXPECT_EQ(t->describe(Gva(0x401100)), "main+0x0/0x40");
}

TEST(SymbolTable, FromWhatIsNoFile) {
  const FileDescriptor folder(::open("/", O_RDONLY | O_CLOEXEC));
  EXPECT_EQ(SymbolTable::from_file(folder.get(), 0).error().message, "no symbols: not a regular file");
  EXPECT_EQ(SymbolTable::from_file(-1, 0).error().message, "no symbols: Bad file descriptor");
}

// One table by the specification; a guest's file may have one large one as often as it likes.
TEST(SymbolTable, ReadsOneTableOfEachType) {
  constexpr std::size_t kTables = 20'000, kSymbols = 20'000;
  std::vector<Elf64_Shdr> sections(kTables);
  Elf64_Ehdr header;
  std::memcpy(&header, sample_elf().data(), sizeof header);
  header.e_shnum = kTables;
  for (Elf64_Shdr& section : sections) {
    section.sh_type = SHT_SYMTAB;
    section.sh_offset = sizeof header + kTables * sizeof section;
    section.sh_size = kSymbols * sizeof(Elf64_Sym);
  }
  std::vector<std::byte> image(sections[0].sh_offset + sections[0].sh_size);
  std::memcpy(image.data(), &header, sizeof header);
  std::memcpy(image.data() + sizeof header, sections.data(), kTables * sizeof(Elf64_Shdr));
  const std::clock_t before = std::clock();
  EXPECT_EQ(table_of(image).size(), 0U);
  EXPECT_LT(std::clock() - before, CLOCKS_PER_SEC);
}

TEST(SymbolTable, SaysWhyAFileHasNone) {
  const std::string text = "#!/bin/sh\n";
  EXPECT_EQ(SymbolTable::from_elf(std::as_bytes(std::span(text)), 0).error().message, "no symbols: not an ELF file");
  EXPECT_FALSE(SymbolTable::from_elf({}, 0));
  auto image = sample_elf();
  image[EI_CLASS] = std::byte{ELFCLASS32};
  EXPECT_EQ(SymbolTable::from_elf(image, 0).error().message, "no symbols: not a 64-bit ELF file for x86-64");
}

TEST(SymbolTable, EveryTruncationIsHarmless) {
  const auto image = sample_elf();
  for (std::size_t n = 0; n <= image.size(); ++n) {
    const auto t = SymbolTable::from_elf(std::span(image).first(n), 0);
    if (t) {
      EXPECT_LE(t->size(), 4U);
      (void)t->describe(Gva(0x401100));
    }
  }
}

// Names that end nowhere, tables that lie about their size, sections that overlap anything.
TEST(SymbolTable, MutatedHeadersAreHarmless) {
  const auto original = sample_elf();
  constexpr std::uint64_t kNasty[] = {0,          1,
                                      0x7fffffff, 0x80000000,
                                      0xffffffff, ~0ULL,
                                      ~0ULL - 63, 0x1000000000000,
                                      1ULL << 63, sizeof(Elf64_Ehdr),
                                      0xfffffff0, 0x401000401,
                                      24,         0x7ffffffffffff0,
                                      65535};
  std::mt19937_64 random(42);
  unsigned readable = 0;
  for (int round = 0; round < 50'000; ++round) {
    auto image = original;
    for (unsigned n = 1 + random() % 4; n > 0; --n) {
      const std::size_t at = 16 + random() % (image.size() - 24);
      if (random() % 2 == 0) {
        image[at] = static_cast<std::byte>(random());
      } else {
        const std::uint64_t value = kNasty[random() % std::size(kNasty)];
        std::memcpy(image.data() + (at & ~std::size_t{7}), &value, sizeof value);
      }
    }
    image.resize(random() % 8 == 0 ? random() % image.size() : image.size());
    const auto t = SymbolTable::from_elf(image, random() % 2 == 0 ? 0 : random());
    if (!t) continue;
    ++readable;
    EXPECT_LE(t->size(), original.size());
    (void)t->describe(Gva(0x401100));
    (void)t->describe(Gva(random()));
  }
  EXPECT_GT(readable, 1000U);
}

}  // namespace
}  // namespace faultline::vmm
