// Guest memory and the frame-pointer chain, read for a report. Whatever the guest's registers
// say, nothing outside the user half is read and every loop ends. Internal to the report.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "vmm/record/report.hpp"

namespace faultline::vmm {

class ReportMemory {
 public:
  ReportMemory(const PeekMemory& peek, mmu::PagingMode mode) : peek_(peek), limit_(mmu::task_size_max(mode).raw()) {}

  // As many bytes at `address` as can be read, up to the first that cannot.
  std::size_t read(std::uint64_t address, std::span<std::byte> to) const;
  [[nodiscard]] std::optional<std::uint64_t> word(std::uint64_t address) const;

 private:
  const PeekMemory& peek_;
  std::uint64_t limit_;
};

// Return addresses by frame pointer, innermost first: at RBP the caller's RBP, above it the return
// address. Ends at the first frame that does not lie higher than the one before.
std::vector<std::uint64_t> frame_pointer_trace(const ReportMemory& memory, const UserRegs& regs);

// The bytes around RIP; an absent one could not be read.
struct CodeWindow {
  static constexpr unsigned kBefore = 32;
  static constexpr unsigned kAfter = 32;  // RIP's own byte included
  std::array<std::optional<std::uint8_t>, kBefore + kAfter> bytes{};
};
CodeWindow code_around(const ReportMemory& memory, std::uint64_t rip);

}  // namespace faultline::vmm
