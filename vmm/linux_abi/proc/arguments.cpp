// /proc/PID/cmdline, environ and auxv. Follows get_mm_cmdline and environ_read (fs/proc/base.c).
#include <algorithm>

#include "mmu/space/uaccess.hpp"
#include "vmm/linux_abi/proc/process_text.hpp"

namespace faultline::vmm::linux_abi::proc {
namespace {

constexpr std::uint64_t kMostBytes = 8ULL << 20;  // more than exec lets anybody pass

std::string bytes_of(const mmu::AddressSpace& mm, Gva start, Gva end) {
  if (end <= start) return {};
  std::string text(std::min<std::uint64_t>(end - start, kMostBytes), '\0');
  text.resize(mmu::peek_user(mm, std::as_writable_bytes(std::span(text)), start));
  return text;
}

}  // namespace

std::string cmdline_text(Task& task) {
  const mmu::ProgramLayout& p = task.mm().program;
  std::string text = bytes_of(task.mm(), p.arg_start, p.arg_end);
  if (text.empty() || text.back() == '\0') return text;
  // A program wrote a longer title over its arguments: it goes on to the first NUL.
  text += bytes_of(task.mm(), p.arg_end, p.env_end);
  return text.substr(0, text.find('\0'));
}

std::string environ_text(Task& task) {
  return bytes_of(task.mm(), task.mm().program.env_start, task.mm().program.env_end);
}

std::string auxv_bytes(Task& task) {
  const auto bytes = std::as_bytes(std::span<const std::uint64_t>(task.mm().program.auxv));
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace faultline::vmm::linux_abi::proc
