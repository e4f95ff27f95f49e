#include "vmm/linux_abi/elf_loader.hpp"

#include <fmt/format.h>
#include "mmu/space/uaccess.hpp"
#include "tests/unit/linux_abi/small_elf.hpp"
#include "tests/unit/support/guest_memory.hpp"
#include "vmm/linux_abi/host_file.hpp"

namespace faultline::test {
namespace {

namespace abi = vmm::linux_abi;
using abi::AddressLayout;

struct Loading {
  explicit Loading(std::size_t memory_bytes = 64ULL << 20) : memory(memory_bytes) {
    mm = mmu::AddressSpace::create(memory.env);
  }
  abi::LoadResult<abi::LoadedImage> load(const SmallElf& elf) {
    const auto fd = file_with(elf.bytes());
    const auto image = abi::parse_elf(fd.get(), "prog");
    EXPECT_TRUE(image) << image.error().message;
    if (!image) return tl::unexpected(image.error());
    auto mapping = memory.cache.open(std::move(*abi::HostFile::create(fd.get(), false)));
    return abi::map_elf(*mm, *image, mapping, "/prog");
  }
  std::string maps() const {
    std::string out;
    for (const auto& [start, vma] : mm->vmas)
      out += fmt::format("{:x}-{:x} {} {}\n", vma.start.raw(), vma.end.raw(), vma.flags.text(), vma.name);
    return out;
  }
  std::uint8_t byte_at(std::uint64_t at) { return mmu::get_user<std::uint8_t>(*mm, Gva(at)).value(); }

  GuestMemory memory;
  std::unique_ptr<mmu::AddressSpace> mm;
};

TEST(AddressLayout, MmapBaseIsLinuxes) {
  // Seen natively under setarch -R with the usual 8 MiB stack: the mmap area ends here.
  EXPECT_EQ(AddressLayout::mmap_base(8ULL << 20, 256 * kPageSize), 0x7ffff7fff000u);
  // A larger stack limit lowers it by limit and guard gap, up to five sixths of user space.
  EXPECT_EQ(AddressLayout::mmap_base(256ULL << 20, 256 * kPageSize), 0x7ffffffff000u - (257ULL << 20));
  EXPECT_EQ(AddressLayout::mmap_base(~0ULL, 256 * kPageSize), page_align(0x7ffffffff000u - 0x7ffffffff000u / 6 * 5));
}

TEST(ElfLoader, MapsSegmentsBssAndHeap) {
  Loading l;
  const auto loaded = l.load(SmallElf());
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_EQ(l.maps(),
            "400000-402000 r-xp /prog\n"
            "402000-403000 rw-p /prog\n"
            "403000-405000 rw-p \n");
  EXPECT_EQ(loaded->load_bias, 0u);
  EXPECT_EQ(loaded->entry, 0x401000u);
  EXPECT_EQ(loaded->phdr, 0x400040u);
  EXPECT_EQ(l.mm->start_brk, Gva(0x405000));
  EXPECT_EQ(l.mm->brk, Gva(0x405000));
  EXPECT_EQ(l.mm->mmap_base, Gva(0x7ffff7fff000 - AddressLayout::kVdsoHole));
  // What the file holds, then zeroes up to the end of its last page and beyond.
  EXPECT_EQ(l.byte_at(0x4027ff), 0xcc);
  EXPECT_EQ(l.byte_at(0x402800), 0);
  EXPECT_EQ(l.byte_at(0x402fff), 0);
  EXPECT_EQ(l.byte_at(0x404fff), 0);
}

TEST(ElfLoader, PutsAStaticPieAtTheTopOfTheMmapArea) {
  Loading l;
  const auto loaded = l.load(SmallElf(ET_DYN));
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_EQ(loaded->load_bias, 0x7ffff7fff000u - 0x5000u);
  EXPECT_EQ(loaded->entry, loaded->load_bias + 0x1000);
  EXPECT_EQ(l.mm->start_brk, Gva(AddressLayout::kPieBrk));
  EXPECT_EQ(l.mm->mmap_base, Gva(loaded->load_bias - AddressLayout::kVdsoHole));
}

TEST(ElfLoader, HonoursTheAlignmentOfAPie) {
  Loading l;
  SmallElf elf(ET_DYN);
  elf.segments[0].p_align = 0x200000;
  const auto loaded = l.load(elf);
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_EQ(loaded->load_bias % 0x200000, 0u);
}

TEST(ElfLoader, ASegmentWithoutFileBytesIsAnonymous) {
  Loading l;
  SmallElf elf;
  elf.add(SmallElf::load(PF_R | PF_W, 0, 0x500000, 0, 0x1000));
  ASSERT_TRUE(l.load(elf));
  EXPECT_NE(l.maps().find("500000-501000 rw-p \n"), std::string::npos) << l.maps();
  EXPECT_EQ(l.mm->start_brk, Gva(0x501000));
}

TEST(ElfLoader, RefusesWhatGuestMemoryCannotHold) {
  Loading l(1ULL << 20);
  SmallElf elf;
  elf.segments[1].p_memsz = 64ULL << 20;
  const auto loaded = l.load(elf);
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().exit_status, abi::LoadError::kCannotExecute);
  EXPECT_NE(loaded.error().message.find("of memory"), std::string::npos) << loaded.error().message;
}

TEST(ElfLoader, RefusesSegmentsBelowTheLowestMappableAddress) {
  Loading l;
  SmallElf elf;
  elf.segments[0].p_vaddr = 0, elf.segments[1].p_vaddr = 0x2000, elf.header.e_entry = 0x1000;
  const auto loaded = l.load(elf);
  ASSERT_FALSE(loaded);
  EXPECT_NE(loaded.error().message.find("lowest"), std::string::npos) << loaded.error().message;
}

TEST(ElfLoader, RefusesSegmentsInTheStack) {
  Loading l;
  SmallElf elf;
  elf.segments[1].p_vaddr = 0x7ffffffe0000;
  elf.segments[1].p_offset = 0x2000;
  const auto loaded = l.load(elf);
  ASSERT_FALSE(loaded);
  EXPECT_NE(loaded.error().message.find("stack"), std::string::npos) << loaded.error().message;
}

TEST(ElfLoader, LeavesNoFrameBehindWhateverTheSegmentsAre) {
  GuestMemory memory;
  const std::uint64_t before = memory.frames.used_frames();
  for (const std::uint64_t vaddr : {0x402000ULL, 0x7000000000ULL, 0x7ffff7ff0000ULL, 0x7ffffffe0000ULL}) {
    mmu::PageCache cache(memory.frames);
    const mmu::MmuEnv env{memory.frames, cache, memory.sink, memory.zero, Gfn(0), mmu::PagingMode::kFourLevel};
    SmallElf elf;
    elf.segments[1].p_vaddr = vaddr;
    const auto fd = file_with(elf.bytes());
    const auto image = abi::parse_elf(fd.get(), "prog");
    ASSERT_TRUE(image);
    auto mm = mmu::AddressSpace::create(env);
    static_cast<void>(
        abi::map_elf(*mm, *image, cache.open(std::move(*abi::HostFile::create(fd.get(), false))), "/prog"));
  }
  EXPECT_EQ(memory.frames.used_frames(), before);
}

}  // namespace
}  // namespace faultline::test
