#include "vmm/gdb/program_file.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>

namespace faultline::vmm::gdb {
namespace {

constexpr std::uint64_t kDescriptor = 3;
// GDB manual, "Errno Values" of the File-I/O extension.
enum FileError : int { kNotPermitted = 1, kNoEntry = 2, kBadDescriptor = 9, kInvalid = 22 };

std::string failed(FileError error) { return fmt::format("F-1,{:x}", static_cast<int>(error)); }

template <class T>
void append_big_endian(std::string& out, T value) {
  for (int shift = static_cast<int>(sizeof value) * 8 - 8; shift >= 0; shift -= 8)
    out.push_back(static_cast<char>(static_cast<std::uint64_t>(value) >> shift & 0xff));
}

// GDB manual, "struct stat" of the File-I/O extension: big endian.
std::string stat_bytes(const struct stat& st) {
  std::string out;
  const auto word = [&out](auto value) { append_big_endian(out, static_cast<std::uint32_t>(value)); };
  const auto wide = [&out](auto value) { append_big_endian(out, static_cast<std::uint64_t>(value)); };
  word(st.st_dev), word(st.st_ino), word(st.st_mode), word(st.st_nlink);
  word(st.st_uid), word(st.st_gid), word(st.st_rdev);
  wide(st.st_size), wide(st.st_blksize), wide(st.st_blocks);
  word(st.st_atime), word(st.st_mtime), word(st.st_ctime);
  return out;
}

std::string read_at(int fd, std::uint64_t count, std::uint64_t offset) {
  constexpr std::uint64_t kMost = kMaxPayload / 4;  // every byte may need an escape
  std::string bytes(std::min(count, kMost), '\0');
  const ssize_t n = ::pread(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
  if (n < 0) return failed(kInvalid);
  bytes.resize(static_cast<std::size_t>(n));
  return fmt::format("F{:x};", n) + bytes;
}

}  // namespace

std::string ProgramFile::handle(Scanner in, const linux_abi::Task& task) const {
  if (in.take("setfs:")) return "F0";
  const auto& program = task.config().program;
  if (in.take("open:")) {
    const auto path = from_hex(in.take_until(','));
    const auto flags = in.take_hex();
    if (!path || !flags) return failed(kInvalid);
    if (*path != task.config().program_path || !program) return failed(kNoEntry);
    return *flags == 0 ? fmt::format("F{:x}", kDescriptor) : failed(kNotPermitted);
  }
  const bool pread = in.take("pread:"), fstat = !pread && in.take("fstat:");
  if (!pread && !fstat && !in.take("close:")) return {};
  if (in.take_hex() != kDescriptor || !program) return failed(kBadDescriptor);
  if (fstat) {
    struct stat st {};
    if (::fstat(program->get(), &st) != 0) return failed(kBadDescriptor);
    const std::string bytes = stat_bytes(st);
    return fmt::format("F{:x};", bytes.size()) + bytes;
  }
  if (!pread) return "F0";
  if (!in.take(",")) return failed(kInvalid);
  const auto count = in.take_hex();
  const auto offset = in.take(",") ? in.take_hex() : std::nullopt;
  return count && offset ? read_at(program->get(), *count, *offset) : failed(kInvalid);
}

}  // namespace faultline::vmm::gdb
