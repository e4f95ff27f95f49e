#include "vmm/linux_abi/script.hpp"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <string_view>

namespace faultline::vmm::linux_abi {
namespace {

constexpr std::size_t kLooksAt = 256;  // BINPRM_BUF_SIZE
constexpr std::string_view kBlank = " \t";

}  // namespace

SysResult<std::optional<ScriptLine>> read_script_line(int host_fd) {
  std::array<char, kLooksAt> buffer{};
  const ssize_t n = ::pread(host_fd, buffer.data(), buffer.size(), 0);
  if (n < 0) return sys_error(errno);
  std::string_view text(buffer.data(), static_cast<std::size_t>(n));
  if (!text.starts_with("#!")) return std::optional<ScriptLine>();
  text.remove_prefix(2);
  const std::size_t newline = text.find('\n');
  const bool whole = newline != std::string_view::npos || text.size() + 2 < kLooksAt;
  text = text.substr(0, std::min(newline, text.find('\0')));
  const std::size_t start = text.find_first_not_of(kBlank);
  if (start == std::string_view::npos) return sys_error(ENOEXEC);
  text.remove_prefix(start);
  if (whole) text = text.substr(0, text.find_last_not_of(kBlank) + 1);
  const std::size_t end = text.find_first_of(kBlank);
  if (!whole && end == std::string_view::npos) return sys_error(ENOEXEC);
  ScriptLine line{std::string(text.substr(0, end)), std::nullopt};
  const std::size_t argument = end == std::string_view::npos ? end : text.find_first_not_of(kBlank, end);
  if (argument != std::string_view::npos) line.argument = std::string(text.substr(argument));
  return std::optional(std::move(line));
}

}  // namespace faultline::vmm::linux_abi
