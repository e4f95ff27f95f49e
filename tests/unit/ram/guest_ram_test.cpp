#include "vmm/ram/guest_ram.hpp"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cstdint>

namespace faultline::vmm {
namespace {

std::uint64_t allocated_bytes(const GuestRam& ram) {
  struct stat st {};
  EXPECT_EQ(::fstat(ram.fd(), &st), 0);
  return static_cast<std::uint64_t>(st.st_blocks) * 512;
}

TEST(GuestRam, SizesThatCannotBe) {
  for (const std::uint64_t bytes :
       {std::uint64_t{0}, std::uint64_t{1}, kPageSize + 1, kMaxGuestMemory + kPageSize, ~std::uint64_t{0}}) {
    const auto ram = GuestRam::create(bytes);
    ASSERT_FALSE(ram.has_value()) << bytes;
    EXPECT_NE(ram.error().message.find(std::to_string(bytes)), std::string::npos) << ram.error().message;
  }
}

TEST(GuestRam, TheLargestIsSparse) {
  const auto ram = GuestRam::create(kMaxGuestMemory);
  ASSERT_TRUE(ram.has_value()) << ram.error().message;
  EXPECT_EQ(ram->size(), kMaxGuestMemory);
  EXPECT_EQ(allocated_bytes(*ram), 0U);
  *ram->at(Gpa(0)) = std::byte{1};
  *ram->at(Gpa(kMaxGuestMemory - 1)) = std::byte{2};
  EXPECT_GE(allocated_bytes(*ram), 2 * kPageSize);
  EXPECT_LE(allocated_bytes(*ram), 4ULL << 20);  // two huge pages at most
}

TEST(GuestRam, GuestAndHostHugePagesCoincide) {
  const auto ram = GuestRam::create(kPageSize);
  ASSERT_TRUE(ram.has_value());
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(ram->at(Gpa(0))) % (1ULL << 30), 0U);
}

TEST(GuestRam, PhysMemoryIsTheSameBytes) {
  const auto ram = GuestRam::create(4 * kPageSize);
  ASSERT_TRUE(ram.has_value());
  const mmu::PhysMemory memory = ram->memory();
  EXPECT_EQ(memory.frames(), 4U);
  EXPECT_EQ(memory.page(Gfn(3)).data(), ram->at(Gpa(3 * kPageSize)));
}

// What the shadow sink relies on: the page leaves the mapping, its content stays.
TEST(GuestRam, ContentSurvivesMadvDontneed) {
  const auto ram = GuestRam::create(4 * kPageSize);
  ASSERT_TRUE(ram.has_value());
  *ram->at(Gpa(kPageSize)) = std::byte{0x5a};
  ASSERT_EQ(::madvise(ram->at(Gpa(kPageSize)), kPageSize, MADV_DONTNEED), 0);
  EXPECT_EQ(*ram->at(Gpa(kPageSize)), std::byte{0x5a});
}

TEST(GuestRam, MovingKeepsTheMapping) {
  auto ram = GuestRam::create(kPageSize);
  ASSERT_TRUE(ram.has_value());
  std::byte* first = ram->at(Gpa(0));
  const GuestRam moved = std::move(*ram);
  EXPECT_EQ(moved.at(Gpa(0)), first);
  *moved.at(Gpa(0)) = std::byte{7};
  EXPECT_EQ(moved.bytes()[0], std::byte{7});
}

}  // namespace
}  // namespace faultline::vmm
