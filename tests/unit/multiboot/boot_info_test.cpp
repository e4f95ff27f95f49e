#include "vmm/multiboot/boot_info.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

namespace faultline::vmm::multiboot {
namespace {

constexpr std::uint64_t kRam = 4ULL << 20;
constexpr Gpa kAt{0x20'0000};

class BootInfoTest : public testing::Test {
 protected:
  std::uint32_t word(std::uint64_t at) const {
    std::uint32_t value = 0;
    std::memcpy(&value, ram_.data() + at, sizeof value);
    return value;
  }
  std::uint64_t quad(std::uint64_t at) const { return word(at) | std::uint64_t{word(at + 4)} << 32; }
  std::string text(std::uint64_t at) const { return reinterpret_cast<const char*>(ram_.data() + at); }

  std::vector<std::byte> ram_ = std::vector<std::byte>(kRam, std::byte{0xcc});
};

TEST_F(BootInfoTest, WithoutAModule) {
  const auto info = write_boot_info(ram_, kAt, "kernel a b", std::nullopt);
  ASSERT_TRUE(info) << info.error().message;
  const std::uint64_t at = info->raw();
  EXPECT_EQ(at, kAt.raw());
  EXPECT_EQ(word(at), 0x24du) << "memory, command line, modules, map, loader";
  EXPECT_EQ(word(at + 4), 639u) << "KiB of conventional memory";
  EXPECT_EQ(word(at + 8), (kRam >> 10) - 1024);
  EXPECT_EQ(text(word(at + 16)), "kernel a b");
  EXPECT_EQ(word(at + 20), 0u);
  EXPECT_EQ(text(word(at + 64)), "faultline");
}

TEST_F(BootInfoTest, TheMapCoversAllMemoryOnce) {
  const auto info = write_boot_info(ram_, kAt, "", std::nullopt);
  ASSERT_TRUE(info);
  std::uint64_t entry = word(info->raw() + 48), covered = 0;
  const std::uint64_t end = entry + word(info->raw() + 44);
  while (entry < end) {
    EXPECT_EQ(quad(entry + 4), covered);
    covered += quad(entry + 12);
    EXPECT_EQ(word(entry + 20), covered == 0x10'0000 ? 2u : 1u);
    entry += word(entry) + 4;
  }
  EXPECT_EQ(entry, end);
  EXPECT_EQ(covered, kRam);
}

TEST_F(BootInfoTest, BiosDataAgreesWithTheMap) {
  write_bios_data(ram_);
  EXPECT_EQ((word(0x40e) & 0xffff) << 4, 0x9'fc00u);
  EXPECT_EQ(word(0x413) & 0xffff, 639u);
}

TEST_F(BootInfoTest, TheModuleBeginsAtAPage) {
  const std::string contents(5000, 'm');
  const auto info = write_boot_info(ram_, kAt, "kernel", Module{"initrd", std::as_bytes(std::span(contents))});
  ASSERT_TRUE(info) << info.error().message;
  ASSERT_EQ(word(info->raw() + 20), 1u);
  const std::uint64_t entry = word(info->raw() + 24);
  EXPECT_EQ(word(entry) % kPageSize, 0u);
  EXPECT_EQ(word(entry + 4) - word(entry), contents.size());
  EXPECT_EQ(std::memcmp(ram_.data() + word(entry), contents.data(), contents.size()), 0);
  EXPECT_EQ(text(word(entry + 8)), "initrd");
  EXPECT_EQ(text(word(info->raw() + 16)), "kernel");
  EXPECT_EQ(word(entry + 12), 0u);
}

TEST_F(BootInfoTest, NothingIsWrittenOutsideOfMemory) {
  const std::string contents(kPageSize, 'm');
  const Module module{"initrd", std::as_bytes(std::span(contents))};
  EXPECT_TRUE(write_boot_info(ram_, Gpa(kRam - 2 * kPageSize), "kernel", module));
  for (const std::uint64_t at : {kRam - kPageSize, kRam}) {
    const auto refused = write_boot_info(ram_, Gpa(at), "kernel", module);
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().message, testing::HasSubstr("raise --memory"));
  }
  EXPECT_FALSE(write_boot_info(ram_, kAt, std::string(kRam, 'x'), std::nullopt));
}

}  // namespace
}  // namespace faultline::vmm::multiboot
