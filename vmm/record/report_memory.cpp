#include "vmm/record/report_memory.hpp"

#include <algorithm>
#include <cstring>

namespace faultline::vmm {

namespace {
constexpr unsigned kMaxFrames = 32;
}

std::size_t ReportMemory::read(std::uint64_t address, std::span<std::byte> to) const {
  if (!peek_ || address >= limit_) return 0;
  const std::size_t n = std::min<std::uint64_t>(to.size(), limit_ - address);
  return std::min(peek_(Gva(address), to.first(n)), n);
}

std::optional<std::uint64_t> ReportMemory::word(std::uint64_t address) const {
  std::uint64_t value = 0;
  const auto bytes = std::as_writable_bytes(std::span(&value, 1));
  if (read(address, bytes) != bytes.size()) return std::nullopt;
  return value;
}

std::vector<std::uint64_t> frame_pointer_trace(const ReportMemory& memory, const UserRegs& regs) {
  std::vector<std::uint64_t> trace;
  std::uint64_t frame = regs[UserRegs::kRbp];
  // A frame below the stack pointer is none: RBP serves as a general register there.
  std::uint64_t floor = regs[UserRegs::kRsp];
  while (trace.size() < kMaxFrames && frame >= floor && frame % sizeof(std::uint64_t) == 0) {
    const auto caller = memory.word(frame);
    const auto return_address = memory.word(frame + sizeof(std::uint64_t));
    if (!caller || !return_address || *return_address == 0) break;
    trace.push_back(*return_address);
    floor = frame + 2 * sizeof(std::uint64_t);
    frame = *caller;
  }
  return trace;
}

CodeWindow code_around(const ReportMemory& memory, std::uint64_t rip) {
  CodeWindow window;
  std::array<std::byte, CodeWindow::kBefore + CodeWindow::kAfter> bytes;
  const std::uint64_t before = std::min<std::uint64_t>(CodeWindow::kBefore, rip);
  // Page by page: the one below RIP may be missing.
  for (std::uint64_t at = rip - before, end = rip + CodeWindow::kAfter; at < end && at >= rip - before;) {
    const std::uint64_t chunk = std::min(end - at, kPageSize - (at & kPageMask));
    const std::size_t n = memory.read(at, std::span(bytes).first(chunk));
    for (std::size_t i = 0; i < n; ++i)
      window.bytes.at(at + i - rip + CodeWindow::kBefore) = static_cast<std::uint8_t>(bytes[i]);
    at += chunk;
  }
  return window;
}

}  // namespace faultline::vmm
