#include "mmu/kernel/exception_table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace faultline::mmu {

namespace {

// Two's complement: the sum wraps as the CPU's would.
Gva relative(std::span<const std::byte> section, Gva address, std::size_t offset) {
  std::int32_t distance = 0;
  std::memcpy(&distance, section.data() + offset, sizeof distance);
  return Gva(address.raw() + offset + static_cast<std::uint64_t>(std::int64_t{distance}));
}

bool in_code(std::span<const AddressRange> code, Gva address) {
  return std::ranges::any_of(code, [address](const AddressRange& range) { return range.contains(address); });
}

}  // namespace

Result<ExceptionTable> ExceptionTable::parse(std::span<const std::byte> section, Gva address,
                                             std::span<const AddressRange> code) {
  if (section.size() % kEntryBytes != 0) {
    return fail(fmt::format("exception table: {} bytes are not a whole number of entries of {} bytes", section.size(),
                            kEntryBytes));
  }
  ExceptionTable table;
  for (std::size_t at = 0; at < section.size(); at += kEntryBytes) {
    std::uint32_t data = 0;
    std::memcpy(&data, section.data() + at + 8, sizeof data);
    ExceptionEntry entry{relative(section, address, at), relative(section, address, at + 4),
                         static_cast<FixupKind>(data & 0xff), static_cast<std::uint8_t>(data >> 8 & 0xf)};
    const std::size_t number = at / kEntryBytes;
    if (!in_code(code, entry.instruction) || !in_code(code, entry.fixup)) {
      const bool insn = !in_code(code, entry.instruction);
      return fail(fmt::format("exception table: the {} of entry {}, {:#x}, is not in the program's code",
                              insn ? "instruction" : "fixup", number, (insn ? entry.instruction : entry.fixup).raw()));
    }
    if (data >> 12 != 0 || entry.kind < FixupKind::kJump || entry.kind > FixupKind::kTrap)
      return fail(fmt::format("exception table: entry {} is of the unknown kind {:#x}", number, data));
    table.entries_.push_back(entry);
  }
  table.was_sorted_ = std::ranges::is_sorted(table.entries_, {}, &ExceptionEntry::instruction);
  std::ranges::sort(table.entries_, {}, &ExceptionEntry::instruction);
  const auto twice = std::ranges::adjacent_find(table.entries_, {}, &ExceptionEntry::instruction);
  if (twice != table.entries_.end())
    return fail(fmt::format("exception table: two entries for the instruction at {:#x}", twice->instruction.raw()));
  return table;
}

const ExceptionEntry* ExceptionTable::find(Gva ip) const {
  const auto at = std::ranges::lower_bound(entries_, ip, {}, &ExceptionEntry::instruction);
  return at != entries_.end() && at->instruction == ip ? &*at : nullptr;
}

}  // namespace faultline::mmu
