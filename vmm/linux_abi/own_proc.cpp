// Recognises the harness's own entries under /proc, however the guest got to them.
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <climits>
#include <string_view>

#include "vmm/linux_abi/file_system.hpp"

namespace faultline::vmm::linux_abi {
namespace {

// A process id, or the id of any thread of ours.
bool names_us(std::string_view component) {
  int id = 0;
  const auto [end, error] = std::from_chars(component.data(), component.data() + component.size(), id);
  if (error != std::errc() || end != component.data() + component.size() || id <= 0) return false;
  return id == ::getpid() || ::syscall(SYS_tgkill, ::getpid(), id, 0) == 0;
}

// Entries that speak of the namespace and not of the process: true for the guest as well.
bool of_the_namespace(std::string_view entry) { return entry == "mounts" || entry == "mountinfo" || entry == "cgroup"; }

}  // namespace

bool is_own_proc_entry(int host_fd) {
  struct statfs fs {};
  if (::fstatfs(host_fd, &fs) != 0 || fs.f_type != PROC_SUPER_MAGIC) return false;
  std::array<char, PATH_MAX> buffer{};
  const ssize_t n = ::readlink(fmt::format("/proc/self/fd/{}", host_fd).c_str(), buffer.data(), buffer.size());
  if (n < 0) return true;  // what cannot be told apart is refused
  std::string_view path(buffer.data(), static_cast<std::size_t>(n));
  while (!path.empty()) {
    const std::size_t end = std::min(path.find('/'), path.size());
    const bool ours = names_us(path.substr(0, end));
    path.remove_prefix(std::min(end + 1, path.size()));
    if (ours) return !of_the_namespace(path);
  }
  return false;
}

}  // namespace faultline::vmm::linux_abi
