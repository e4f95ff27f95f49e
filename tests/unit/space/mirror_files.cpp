#include "tests/unit/space/mirror_files.hpp"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

namespace faultline::mmu::testing {

namespace {

int filled(int descriptor) {
  // Page by page: the kernel then keeps the file in pages of 4 KiB.
  std::array<char, kPageSize> page{};
  for (std::uint64_t i = 0; i < kMirrorFilePages; ++i) {
    page.fill(static_cast<char>(i + 1));
    EXPECT_EQ(pwrite(descriptor, page.data(), page.size(), static_cast<off_t>(i * kPageSize)),
              static_cast<ssize_t>(page.size()));
  }
  return descriptor;
}

int temporary_file(FileKind& kind) {
  std::string path = ::testing::TempDir() + "faultline-oracle-XXXXXX";
  const int descriptor = mkstemp(path.data());
  EXPECT_GE(descriptor, 0);
  unlink(path.c_str());
  struct statfs fs {};
  fstatfs(descriptor, &fs);
  constexpr auto kTmpfs = 0x01021994;
  kind = fs.f_type == kTmpfs ? FileKind::kShmem : FileKind::kRegular;
  return filled(descriptor);
}

int reopened(int descriptor, int mode) {
  return open(("/proc/self/fd/" + std::to_string(descriptor)).c_str(), mode | O_CLOEXEC);
}

}  // namespace

std::vector<MirrorFile> make_mirror_files(World& world) {
  FileKind kind{};
  const std::uint64_t bytes = kMirrorFilePages * kPageSize;
  const int memory = filled(memfd_create("oracle", MFD_CLOEXEC));
  const int disk = temporary_file(kind);
  const int second = filled(memfd_create("read-only", MFD_CLOEXEC));
  const int third = filled(memfd_create("write-only", MFD_CLOEXEC));
  std::vector<MirrorFile> files{
      {.descriptor = memory, .mapping = world.file(FileKind::kShmem, bytes)},
      {.descriptor = disk,
       .mapping = world.file(kind, bytes),
       .held = std::make_shared<test::PinnedFile>("/proc/self/fd/" + std::to_string(disk))},
      {.descriptor = reopened(second, O_RDONLY), .mapping = world.file(FileKind::kShmem, bytes), .writable = false},
      {.descriptor = reopened(third, O_WRONLY), .mapping = world.file(FileKind::kShmem, bytes), .readable = false}};
  close(second);
  close(third);
  return files;
}

void close_mirror_files(const std::vector<MirrorFile>& files) {
  for (const MirrorFile& file : files) close(file.descriptor);
}

unsigned oracle_seeds(unsigned usual) {
  const char* wanted = std::getenv("FAULTLINE_ORACLE_SEEDS");
  return wanted != nullptr ? static_cast<unsigned>(std::strtoul(wanted, nullptr, 10)) : usual;
}

}  // namespace faultline::mmu::testing
