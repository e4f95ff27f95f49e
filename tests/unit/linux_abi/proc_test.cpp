// /proc as a task sees it: vmm/linux_abi/proc, virtual_file.cpp and virtual_io.cpp, through system
// calls.
#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <cstring>
#include <fstream>
#include <set>

#include "tests/unit/linux_abi/task_fixture.hpp"
#include "vmm/linux_abi/proc/maps.hpp"
#include "vmm/linux_abi/proc/pagemap.hpp"

namespace faultline::test {
namespace {

class Proc : public TaskTest {
 protected:
  static constexpr std::uint64_t kOut = kScratch + kPageSize;
  // The whole file, in reads of `piece` bytes.
  std::string slurp(const std::string& path, std::uint64_t piece = 4096) {
    const int fd = open(path, O_RDONLY);
    EXPECT_GE(fd, 0) << path;
    std::string text;
    for (std::int64_t n = 0; (n = call(SYS_read, fd, kOut, piece)) > 0;)
      text += get_bytes(kOut, static_cast<std::size_t>(n));
    call(SYS_close, fd);
    return text;
  }
  std::int64_t write(const std::string& path, const std::string& text) {
    const int fd = open(path, O_WRONLY);
    if (fd < 0) return fd;
    const std::int64_t n = call(SYS_write, fd, put_string(text), text.size());
    call(SYS_close, fd);
    return n;
  }
  std::vector<std::string> list(const std::string& path, std::uint64_t piece = 4096) {
    const int fd = open(path, O_RDONLY | O_DIRECTORY);
    EXPECT_GE(fd, 0) << path;
    std::vector<std::string> names;
    for (std::int64_t n = 0; (n = call(SYS_getdents64, fd, kOut, piece)) > 0;) {
      const std::string bytes = get_bytes(kOut, static_cast<std::size_t>(n));
      for (std::size_t at = 0; at < bytes.size();) {
        std::uint16_t length = 0;
        std::memcpy(&length, bytes.data() + at + 16, 2);
        names.emplace_back(bytes.c_str() + at + 19);
        at += length;
      }
    }
    call(SYS_close, fd);
    return names;
  }
};

std::string first_words(const std::string& text) {
  std::string words;
  for (std::size_t at = 0; at < text.size(); at = text.find('\n', at) + 1)
    words += text.substr(at, text.find_first_of(" \t:", at) - at) + " ";
  return words;
}

std::string host(const std::string& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST_F(Proc, TheSameLinesAsTheKernelUnderneath) {
  for (const char* path :
       {"/proc/self/status", "/proc/self/limits", "/proc/meminfo", "/proc/vmstat", "/proc/self/smaps_rollup"}) {
    std::string mine = slurp(path), theirs = host(path);
    if (std::string(path).ends_with("rollup")) {
      mine = mine.substr(mine.find('\n') + 1);
      theirs = theirs.substr(theirs.find('\n') + 1);
    }
    EXPECT_EQ(first_words(mine), first_words(theirs)) << path;
  }
  const auto fields = [](const std::string& text) { return std::ranges::count(text, ' '); };
  EXPECT_EQ(fields(slurp("/proc/self/stat")), fields(host("/proc/self/stat")));
  EXPECT_EQ(fields(slurp("/proc/self/statm")), fields(host("/proc/self/statm")));
}

TEST_F(Proc, WhereverAReadIsCutTheTextIsTheSame) {
  for (int i = 0; i < 40; ++i) map(0x20000000 + static_cast<std::uint64_t>(i) * 0x100000, kPageSize, PROT_READ);
  slurp("/proc/self/smaps", 5000);  // touches the buffers, which are in it
  const std::string whole = slurp("/proc/self/smaps");
  EXPECT_GT(whole.size(), 41u * 600);
  for (const std::uint64_t piece : {1ULL, 7ULL, 100ULL, 4095ULL, 5000ULL})
    EXPECT_TRUE(slurp("/proc/self/smaps", piece) == whole) << piece;
  const int fd = open("/proc/self/smaps", O_RDONLY);
  EXPECT_LE(call(SYS_read, fd, kOut, 8192), 4096);
  ASSERT_EQ(call(SYS_pread64, fd, kOut, 50, 9999), 50);
  EXPECT_EQ(get_bytes(kOut, 50), whole.substr(9999, 50));
  EXPECT_EQ(call(SYS_pread64, fd, kOut, 50, whole.size()), 0);
  EXPECT_EQ(call(SYS_pread64, fd, kOut, 50, 1ULL << 62), 0);
}

TEST_F(Proc, EachOpenSeesItsOwnTime) {
  const int before = open("/proc/self/maps", O_RDONLY);
  map(0x20000000, kPageSize, PROT_READ);
  // Made when it is read, not when it is opened; and anew from the beginning.
  EXPECT_EQ(call(SYS_read, before, kOut, 4096), 82);
  map(0x30000000, kPageSize, PROT_READ);
  EXPECT_EQ(call(SYS_pread64, before, kOut, 4096, 0), 123);
}

TEST_F(Proc, OnlyGuestProcessesAreListed) {
  std::set<std::string> numbers;
  for (const std::string& name : list("/proc", 200)) {
    if (name.find_first_not_of("0123456789") == std::string::npos) numbers.insert(name);
  }
  EXPECT_EQ(numbers, std::set<std::string>{std::to_string(kPid)});
  EXPECT_EQ(list("/proc/self/task"), (std::vector<std::string>{".", "..", std::to_string(kPid)}));
  const auto entries = list(fmt::format("/proc/{0}/task/{0}", kPid));
  EXPECT_TRUE(std::ranges::find(entries, "status") != entries.end());
  EXPECT_TRUE(std::ranges::find(entries, "task") == entries.end());
  folder.write("f", "");
  const int fd = open(folder.path("f"), O_RDONLY);
  EXPECT_EQ(list("/proc/self/fd"), (std::vector<std::string>{".", "..", std::to_string(fd), std::to_string(fd + 1)}));
  EXPECT_EQ(call(SYS_getdents64, open("/proc/self", O_RDONLY), kOut, 8), -EINVAL);
  EXPECT_EQ(call(SYS_getdents64, open("/proc/self/maps", O_RDONLY), kOut, 4096), -ENOTDIR);
}

TEST_F(Proc, EveryEntryThatIsListedCanBeLookedAt) {
  for (const std::string& name : list("/proc/self")) {
    if (name == "." || name == "..") continue;
    const std::string path = "/proc/self/" + name;
    EXPECT_EQ(call(SYS_lstat, put_string(path), kOut), 0) << path;
    const auto st = get<struct stat>(kOut);
    if (!S_ISREG(st.st_mode) || (st.st_mode & 0400) == 0) continue;
    const int fd = open(path, O_RDONLY);
    EXPECT_GE(fd, 0) << path;
    const std::int64_t n = call(SYS_read, fd, kOut, 4096);
    EXPECT_TRUE(n >= 0 || (name == "mem" && n == -EIO)) << path << " " << n;
  }
}

TEST_F(Proc, MemoryFiguresAreTheGuests) {
  const std::uint64_t total = memory.frames.total_frames() * 4;
  EXPECT_EQ(slurp("/proc/meminfo").find(fmt::format("{:<16}{:>8} kB\n", "MemTotal:", total)), 0u);
  const std::uint64_t before = mm().counters.vm_faults;
  put(kScratch + 8 * kPageSize, std::uint64_t{1});
  EXPECT_GT(mm().counters.vm_faults, before);
  EXPECT_NE(slurp("/proc/vmstat").find(fmt::format("\npgfault {}\n", mm().counters.vm_faults)), std::string::npos);
  EXPECT_EQ(slurp("/proc/sys/vm/max_map_count"), "65530\n");
}

TEST_F(Proc, PagemapIsAsLargeAsTheAddressSpace) {
  const int fd = open("/proc/self/pagemap", O_RDONLY);
  put(kScratch + 4 * kPageSize, std::uint64_t{1});
  ASSERT_EQ(call(SYS_pread64, fd, kOut, 16, (kScratch >> 12) * 8 + 32), 16);
  EXPECT_EQ(get<std::uint64_t>(kOut) >> 55, 0x102u);
  EXPECT_EQ(get<std::uint64_t>(kOut + 8), 0u);
  EXPECT_EQ(call(SYS_pread64, fd, kOut, 16, 0x7ffffffff000 / 512 - 8), 8);
  EXPECT_EQ(call(SYS_pread64, fd, kOut, 7, 0), -EINVAL);
  EXPECT_EQ(call(SYS_ioctl, fd, 0x1234, 0), -EINVAL);
  // Frames are for the privileged only.
  abi::proc::Subject none;
  mmu::PageView page{.present = true, .counted = true, .mapcount = 2, .frame = Gfn(0x123)};
  EXPECT_EQ(abi::proc::pagemap_entry(page, abi::proc::ShowFrames::kNo), 1ULL << 63);
  EXPECT_EQ(abi::proc::pagemap_entry(page, abi::proc::ShowFrames::kYes), 1ULL << 63 | 0x123);
}

TEST_F(Proc, AHugeScanIsBounded) {
  // Every other page of many: more regions than one buffer holds.
  constexpr std::uint64_t kArea = 0x20000000, kPages = 2048, kRegions = 0x40000000;
  map(kArea, kPages * kPageSize, PROT_READ | PROT_WRITE);
  map(kRegions, 8 * kPageSize, PROT_READ | PROT_WRITE);
  for (std::uint64_t p = 0; p < kPages; p += 2) put(kArea + p * kPageSize, char{1});
  std::array<std::uint64_t, 12> args{96, 0, kArea, 0x7ffffffff000, 0, kRegions, 1200, 0, 0, 8, 0, 8};
  put(kOut, args);
  const int fd = open("/proc/self/pagemap", O_RDONLY);
  EXPECT_EQ(call(SYS_ioctl, fd, 0xc0606610, kOut), 1024 + 1);  // the pages with the regions as well
  EXPECT_EQ(get<std::uint64_t>(kRegions + 1000 * 24), kArea + 2000 * kPageSize);
  EXPECT_EQ(get<std::uint64_t>(kOut + 32), 0x7ffffffff000u);
}

TEST_F(Proc, WhatIsWrittenToAFile) {
  EXPECT_EQ(write("/proc/self/comm", "renamed\n"), 8);
  EXPECT_EQ(write("/proc/self/oom_score_adj", "-17\n"), 4);
  EXPECT_EQ(slurp("/proc/self/oom_score_adj"), "-17\n");
  EXPECT_EQ(write("/proc/self/clear_refs", "5"), 1);
  EXPECT_EQ(mm().rss.high_water, mm().rss.total());
  EXPECT_EQ(write("/proc/self/clear_refs", "7"), -EINVAL);
  EXPECT_EQ(write("/proc/self/maps", "x"), -EINVAL);
  EXPECT_EQ(write("/proc/self/mem", "x"), -EIO);
}

TEST_F(Proc, PositionsBeyondEveryFile) {
  const int mem = open("/proc/self/mem", O_RDONLY), pagemap = open("/proc/self/pagemap", O_RDONLY);
  for (const int fd : {mem, pagemap}) EXPECT_EQ(call(SYS_lseek, fd, -4096, SEEK_SET), -4096);
  EXPECT_EQ(call(SYS_read, mem, kOut, 8), -EIO);
  EXPECT_EQ(call(SYS_read, mem, kOut, 8192), -EOVERFLOW);
  EXPECT_EQ(call(SYS_read, pagemap, kOut, 8), -EINVAL);
  EXPECT_EQ(call(SYS_lseek, open("/proc/self/maps", O_RDONLY), -1, SEEK_SET), -EINVAL);
}

TEST_F(Proc, NeitherMappedNorMadeLarger) {
  const int fd = open("/proc/self/maps", O_RDWR);
  EXPECT_EQ(call(SYS_mmap, 0, kPageSize, PROT_READ, MAP_PRIVATE, fd, 0), -ENODEV);
  EXPECT_LT(call(SYS_fallocate, fd, 0, 0, 1ULL << 40), 0);
  EXPECT_EQ(call(SYS_ftruncate, fd, 1ULL << 40), 0);
  EXPECT_EQ(call(SYS_fstat, fd, kOut), 0);
  EXPECT_EQ(get<struct stat>(kOut).st_size, 0);
  EXPECT_EQ(call(SYS_sendfile, fd, fd, 0, 100), -EINVAL);
  EXPECT_EQ(call(SYS_fcntl, fd, F_GETFL) & O_ACCMODE, O_RDWR);
  EXPECT_EQ(call(SYS_read, open("/proc/self/maps", O_PATH), kOut, 8), -EBADF);
}

TEST_F(Proc, ADescriptorAgainIsAFileOfItsOwn) {
  const int fd = open("/proc/self/maps", O_RDONLY);
  EXPECT_EQ(call(SYS_read, fd, kOut, 10), 10);
  const int again = open(fmt::format("/proc/self/fd/{}", fd), O_RDONLY);
  ASSERT_GE(again, 0);
  EXPECT_EQ(call(SYS_lseek, again, 0, SEEK_CUR), 0);
  const std::int64_t copy = call(SYS_dup, fd);
  EXPECT_EQ(call(SYS_lseek, copy, 0, SEEK_CUR), 10);
  const std::int64_t n = call(SYS_readlink, put_string(fmt::format("/proc/self/fd/{}", fd)), kOut, 100);
  EXPECT_EQ(get_bytes(kOut, static_cast<std::size_t>(n)), fmt::format("/proc/{}/maps", kPid));
}

TEST_F(Proc, FlagsByTheirTwoLetters) {
  using F = mmu::VmFlags;
  EXPECT_EQ(abi::proc::vm_flags_text(F(F::kRead | F::kMayRead | F::kGrowsDown | F::kAccount)), "rd mr gd ac ");
  EXPECT_EQ(abi::proc::vm_flags_text(F(F::kSealed | F::kLocked | F::kMergeable)), "lo mg sl ");
}

}  // namespace
}  // namespace faultline::test
