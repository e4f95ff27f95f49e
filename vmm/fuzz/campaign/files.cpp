#include "vmm/fuzz/campaign/files.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <memory>

namespace faultline::vmm::fuzz {

namespace {

tl::unexpected<Error> failed(const std::string& path) {
  return fail(fmt::format("{}: {}", path, std::strerror(errno)));
}

bool write_all(int fd, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
  return true;
}

std::string temporary_name() {
  static std::atomic<unsigned> next{0};
  return fmt::format("{}{}-{}", kTemporary, ::getpid(), next.fetch_add(1));
}

// The process that a temporary file is named for.
pid_t owner_of(std::string_view name) {
  pid_t pid = 0;
  name.remove_prefix(kTemporary.size());
  std::from_chars(name.data(), name.data() + name.size(), pid);
  return pid;
}

struct CloseFolder {
  void operator()(DIR* folder) const { ::closedir(folder); }
};

}  // namespace

Result<void> write_whole(const std::string& folder, std::string_view name, std::span<const std::byte> bytes) {
  const FileDescriptor at(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!at.valid()) return failed(folder);
  const std::string temporary = temporary_name(), whole(name);
  const FileDescriptor file(::openat(at.get(), temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
  if (!file.valid()) return failed(folder + "/" + temporary);
  const bool written = write_all(file.get(), bytes) && ::fsync(file.get()) == 0;
  if (!written || ::renameat(at.get(), temporary.c_str(), at.get(), whole.c_str()) != 0) {
    const int why = errno;
    ::unlinkat(at.get(), temporary.c_str(), 0);
    errno = why;
    return failed(folder + "/" + whole);
  }
  ::fsync(at.get());
  return {};
}

Result<void> write_whole(const std::string& folder, std::string_view name, std::string_view text) {
  return write_whole(folder, name, std::as_bytes(std::span(text)));
}

Result<std::vector<std::byte>> read_whole(const std::string& path, std::size_t limit) {
  // A pipe would keep its opener waiting.
  const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  struct stat info {};
  if (!file.valid() && errno == ELOOP) return fail(path + ": byte 0: a symbolic link; only files are read here");
  if (!file.valid() || ::fstat(file.get(), &info) != 0) return failed(path);
  if (!S_ISREG(info.st_mode)) return fail(path + ": byte 0: this is no regular file");
  std::vector<std::byte> bytes(limit + 1);
  std::size_t have = 0;
  while (have < bytes.size()) {
    const ssize_t n = ::read(file.get(), bytes.data() + have, bytes.size() - have);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return failed(path);
    if (n == 0) break;
    have += static_cast<std::size_t>(n);
  }
  if (have > limit)
    return fail(fmt::format("{}: byte {}: it goes on after the {} bytes that there may be", path, limit, limit));
  bytes.resize(have);
  return bytes;
}

Result<std::vector<std::string>> list_folder(const std::string& path) {
  const std::unique_ptr<DIR, CloseFolder> folder(::opendir(path.c_str()));
  if (folder == nullptr) return failed(path);
  std::vector<std::string> names;
  while (const dirent* entry = ::readdir(folder.get())) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != ".." && !name.starts_with(kTemporary)) names.emplace_back(name);
  }
  std::ranges::sort(names);
  return names;
}

Result<void> make_folder(const std::string& path) {
  struct stat info {};
  if (::mkdir(path.c_str(), 0755) == 0) return {};
  if (errno != EEXIST) return failed(path);
  if (::stat(path.c_str(), &info) != 0) return failed(path);
  if (!S_ISDIR(info.st_mode)) return fail(path + ": this is no folder");
  return {};
}

void remove_leftovers(const std::string& folder) {
  const std::unique_ptr<DIR, CloseFolder> open(::opendir(folder.c_str()));
  if (open == nullptr) return;
  while (const dirent* entry = ::readdir(open.get())) {
    const std::string_view name = entry->d_name;
    if (!name.starts_with(kTemporary)) continue;
    const pid_t pid = owner_of(name);
    const bool alive = pid > 0 && (::kill(pid, 0) == 0 || errno == EPERM);
    if (alive || ::unlinkat(::dirfd(open.get()), entry->d_name, 0) == 0 || errno != EISDIR) continue;
    std::error_code ignored;
    std::filesystem::remove_all(std::filesystem::path(folder) / name, ignored);  // of a finding
  }
}

bool exists(const std::string& path) {
  struct stat info {};
  return ::lstat(path.c_str(), &info) == 0;
}

}  // namespace faultline::vmm::fuzz
