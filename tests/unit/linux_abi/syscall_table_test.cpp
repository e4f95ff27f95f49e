#include <algorithm>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>

#include <gtest/gtest.h>

#include "vmm/linux_abi/syscall.hpp"

namespace faultline::test {
namespace {

namespace abi = vmm::linux_abi;

TEST(SyscallTable, EveryServedCallHasANameAndAHandler) {
  const auto served = abi::served_syscalls();
  ASSERT_GT(served.size(), 120u);
  EXPECT_TRUE(std::ranges::is_sorted(served, {}, &abi::SyscallEntry::number));
  for (const abi::SyscallEntry& e : served) {
    EXPECT_FALSE(abi::syscall_name(e.number).empty()) << e.number;
    EXPECT_EQ(abi::find_handler(e.number), e.handler);
  }
  EXPECT_EQ(abi::find_handler(41), nullptr);  // socket
  EXPECT_EQ(abi::find_handler(~0ULL), nullptr);
}

TEST(SyscallTable, NamesAreTheKernels) {
  EXPECT_EQ(abi::syscall_name(0), "read");
  EXPECT_EQ(abi::syscall_name(257), "openat");
  EXPECT_EQ(abi::syscall_name(334), "rseq");
  EXPECT_EQ(abi::syscall_name(335), "");
  EXPECT_EQ(abi::syscall_name(100'000), "");
}

// The calls that docs/linux-abi.md lists: the lines of names under its family headings.
TEST(SyscallTable, TheDocumentListsExactlyWhatIsServed) {
  const std::string path = std::string(FAULTLINE_SOURCE) + "/docs/linux-abi.md";
  std::ifstream file(path);
  ASSERT_TRUE(file) << path;
  std::set<std::string> documented;
  const std::regex list("(`[a-z0-9_]+`,? ?)+"), name("`([a-z0-9_]+)`");
  for (std::string line; std::getline(file, line);) {
    if (!std::regex_match(line, list)) continue;
    for (std::sregex_iterator it(line.begin(), line.end(), name), end; it != end; ++it) documented.insert((*it)[1]);
  }
  std::set<std::string> served;
  for (const abi::SyscallEntry& e : abi::served_syscalls()) served.emplace(abi::syscall_name(e.number));
  EXPECT_EQ(documented, served);
}

}  // namespace
}  // namespace faultline::test
