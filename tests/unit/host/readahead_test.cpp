#include "vmm/host/readahead.hpp"

#include <gtest/gtest.h>
#include <sys/sysmacros.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

namespace faultline::vmm {
namespace {

TEST(HostReadahead, IsLinuxsDefaultForDevicesThatAreNotThere) {
  EXPECT_EQ(readahead_pages(makedev(4095, 1048575)), 32U);
}

// Each device that sysfs has a number for: kilobytes there, pages here.
TEST(HostReadahead, IsWhatSysfsSays) {
  unsigned seen = 0;
  std::error_code error;
  for (const auto& device : std::filesystem::directory_iterator("/sys/class/bdi", error)) {
    unsigned major_number = 0, minor_number = 0;
    if (std::sscanf(device.path().filename().c_str(), "%u:%u", &major_number, &minor_number) != 2) continue;
    std::uint64_t kilobytes = 0;
    if (!(std::ifstream(device.path() / "read_ahead_kb") >> kilobytes)) continue;
    EXPECT_EQ(readahead_pages(makedev(major_number, minor_number)), kilobytes / 4) << device.path();
    ++seen;
  }
  if (seen == 0) GTEST_SKIP() << "sysfs shows no device's readahead";
}

}  // namespace
}  // namespace faultline::vmm
