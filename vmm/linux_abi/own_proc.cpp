// Recognises the host's processes under /proc, however the guest got to them.
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <climits>
#include <optional>
#include <string>
#include <string_view>

#include "vmm/linux_abi/file_system.hpp"

namespace faultline::vmm::linux_abi {
namespace {

bool is_number(std::string_view component) {
  return !component.empty() && component.find_first_not_of("0123456789") == std::string_view::npos;
}

// Our process, or any thread of it.
bool names_us(std::string_view component) {
  int id = 0;
  std::from_chars(component.data(), component.data() + component.size(), id);
  return id == ::getpid() || (id > 0 && ::syscall(SYS_tgkill, ::getpid(), id, 0) == 0);
}

// Entries that speak of the namespace and not of the process: true for the guest as well.
bool of_the_namespace(std::string_view entry) { return entry == "mounts" || entry == "mountinfo" || entry == "cgroup"; }

// The part of a path below the root of the procfs that it leads into; nothing when that cannot
// be told: no path, or a part of one mounted elsewhere.
std::optional<std::string_view> below_root(const std::string& path) {
  if (path.empty() || path.front() != '/') return std::nullopt;
  for (std::size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
    const std::string prefix = path.substr(0, end);
    struct statfs fs {};
    if (::statfs(prefix.c_str(), &fs) == 0 && fs.f_type == PROC_SUPER_MAGIC) {
      constexpr ino_t kRootInode = 1;
      struct stat st {};
      if (::stat(prefix.c_str(), &st) != 0 || st.st_ino != kRootInode) return std::nullopt;
      return end == std::string::npos ? std::string_view() : std::string_view(path).substr(end + 1);
    }
    if (end == std::string::npos) return std::nullopt;
  }
}

}  // namespace

bool is_proc(int host_fd) {
  struct statfs fs {};
  return ::fstatfs(host_fd, &fs) == 0 && fs.f_type == PROC_SUPER_MAGIC;
}

bool is_hidden_proc_entry(int host_fd) {
  if (!is_proc(host_fd)) return false;
  std::array<char, PATH_MAX> buffer{};
  const ssize_t n = ::readlink(fmt::format("/proc/self/fd/{}", host_fd).c_str(), buffer.data(), buffer.size());
  if (n < 0) return true;  // what cannot be told apart is refused
  const std::string path(buffer.data(), static_cast<std::size_t>(n));
  const auto rest = below_root(path);
  if (!rest) return true;
  const std::string_view first = rest->substr(0, rest->find('/'));
  if (!is_number(first)) return false;
  return !names_us(first) || !of_the_namespace(rest->substr(std::min(first.size() + 1, rest->size())));
}

}  // namespace faultline::vmm::linux_abi
