#include "vmm/fuzz/host/files.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <span>
#include <vector>

#include "vmm/fuzz/disk.hpp"
#include "vmm/fuzz/layout.hpp"

namespace faultline::vmm::fuzz::host {

namespace {

constexpr std::uint64_t kWholePages = kFileBytes / kPageSize;

using Content = std::array<std::uint8_t, kFileBytes>;

const Content& content_of(FileOperand file) {
  static const auto make = [](FileOperand which) {
    Content bytes;
    for (std::uint64_t i = 0; i < kFileBytes; ++i) bytes[i] = file_byte(which, i);
    return bytes;
  };
  static const Content disk = make(FileOperand::kDisk), memory = make(FileOperand::kMemory);
  return file == FileOperand::kDisk ? disk : memory;
}

tl::unexpected<Error> failed(const std::string& what) { return fail("linux: " + what + ": " + std::strerror(errno)); }

// Page by page, so that the page cache has them in folios of one page.
Result<void> write_page(int fd, const Content& content, std::uint64_t at) {
  const std::uint64_t bytes = std::min(kPageSize, kFileBytes - at);
  if (::pwrite(fd, content.data() + at, bytes, static_cast<off_t>(at)) != static_cast<ssize_t>(bytes))
    return failed("write of a file that programs map");
  return {};
}

Result<void> make_anew(int fd, const Content& content) {
  if (::ftruncate(fd, 0) != 0) return failed("ftruncate of a file that programs map");
  for (std::uint64_t at = 0; at < kFileBytes; at += kPageSize)
    if (const auto written = write_page(fd, content, at); !written) return written;
  return {};
}

// A file that had holes may have large folios since they were read: it is made anew. Otherwise bytes
// alone can differ; those behind the end go with the last page.
Result<void> restore_file(int fd, const Content& content) {
  struct stat now {};
  if (::fstat(fd, &now) != 0) return failed("fstat of a file that programs map");
  if (static_cast<std::uint64_t>(now.st_size) != kFileBytes || ::lseek(fd, 0, SEEK_HOLE) < now.st_size)
    return make_anew(fd, content);
  static thread_local Content bytes;
  if (::ftruncate(fd, kWholePages * kPageSize) != 0) return failed("ftruncate of a file that programs map");
  if (::pread(fd, bytes.data(), bytes.size(), 0) < 0) return failed("read of a file that programs map");
  for (std::uint64_t at = 0; at < kFileBytes; at += kPageSize) {
    const bool whole = at < kWholePages * kPageSize;
    if (whole && std::memcmp(bytes.data() + at, content.data() + at, kPageSize) == 0) continue;
    if (const auto written = write_page(fd, content, at); !written) return written;
  }
  return {};
}

bool resizes(const Program& program, FileOperand file) {
  return std::ranges::any_of(program.operations, [file](const Operation& o) {
    return o.op == Op::kResize && o.operands[0] == static_cast<std::int64_t>(file);
  });
}

// A resize, or a mapping through which the file's bytes can be written.
bool may_change(const Program& program, FileOperand file) {
  return resizes(program, file) || std::ranges::any_of(program.operations, [file](const Operation& o) {
           const bool mapped = o.op == Op::kMap && o.operands[4] == static_cast<std::int64_t>(file);
           return mapped && (o.operands[3] & kMapShared) != 0;
         });
}

// Without a name from the start, or for a moment only.
FileDescriptor nameless_in(const std::string& folder) {
  FileDescriptor file(::open(folder.c_str(), O_RDWR | O_TMPFILE | O_CLOEXEC, 0600));
  if (file.valid()) return file;
  std::string name = folder + "/faultline-XXXXXX";
  FileDescriptor named(::mkostemp(name.data(), O_CLOEXEC));
  if (named.valid()) ::unlink(name.c_str());
  return named;
}

}  // namespace

Result<HostFiles> HostFiles::make() {
  HostFiles files;
  const DiskFolders folders = disk_folders();
  for (const std::string& folder : folders.found) {
    files.disk_ = nameless_in(folder);
    files.where_ = folder;
    if (files.disk_.valid()) break;
  }
  if (!files.disk_.valid())
    return fail("linux: no folder on a disk's file system for a file that programs map; tried" + folders.tried +
                "; set TMPDIR");
  files.memory_ = FileDescriptor(::memfd_create("faultline-fuzz", MFD_CLOEXEC));
  if (!files.memory_.valid()) return failed("memfd_create");
  if (const auto known = files.identify(); !known) return tl::unexpected(known.error());
  for (const auto& [fd, which] : {std::pair{files.disk(), FileOperand::kDisk}, {files.memory(), FileOperand::kMemory}})
    if (const auto written = make_anew(fd, content_of(which)); !written) return tl::unexpected(written.error());
  return files;
}

Result<void> HostFiles::identify() {
  for (const auto& [fd, identity] : {std::pair{disk(), &disk_identity_}, {memory(), &memory_identity_}}) {
    struct stat status {};
    if (::fstat(fd, &status) != 0) return failed("fstat");
    *identity = {status.st_dev, status.st_ino};
  }
  return {};
}

FileOperand HostFiles::find(std::uint64_t device, std::uint64_t inode) const {
  const auto is = [&](const Identity& file) { return file.device == device && file.inode == inode; };
  if (is(disk_identity_)) return FileOperand::kDisk;
  return is(memory_identity_) ? FileOperand::kMemory : FileOperand::kNone;
}

Result<void> HostFiles::restore(const Program& program) {
  for (const auto& [fd, which] : {std::pair{disk(), FileOperand::kDisk}, {memory(), FileOperand::kMemory}}) {
    if (!may_change(program, which)) continue;
    const Content& content = content_of(which);
    if (auto done = resizes(program, which) ? make_anew(fd, content) : restore_file(fd, content); !done) return done;
  }
  return {};
}

}  // namespace faultline::vmm::fuzz::host
